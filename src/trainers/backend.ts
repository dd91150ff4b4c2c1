/** Which code computes: tfjs backends, made ready once per process. */
import type * as Core from "@tensorflow/tfjs-core";
import { InvalidExperiment } from "../errors.js";

export const backendNames = ["wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

let active: { name: BackendName; ready: Promise<void> } | undefined;

/**
 * Load a tfjs backend and make it the one that computes. tfjs has one backend per process, so a second call
 * must name the same one.
 *
 * @param name `wasm`: WebAssembly with SIMD on one thread, faster. `cpu`: plain JavaScript, has every operation.
 * @throws InvalidExperiment another backend is in use already, or this one does not start
 */
export function useBackend(name: BackendName = "wasm"): Promise<void> {
  if (active && active.name !== name) {
    throw new InvalidExperiment(
      `backend ${name} asked for, but this process already computes with ${active.name}: use one backend per process`,
    );
  }
  active ??= { name, ready: start(name) };
  return active.ready;
}

async function start(name: BackendName): Promise<void> {
  const tf = await import("@tensorflow/tfjs-core");
  completeTensors(tf);
  if (name === "wasm") {
    const [{ setThreadsCount, setWasmPaths }, { createRequire }] = await Promise.all([
      import("@tensorflow/tfjs-backend-wasm"),
      import("node:module"),
    ]);
    const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(entry.slice(0, 1 + Math.max(entry.lastIndexOf("/"), entry.lastIndexOf("\\"))));
    // Several threads would add numbers in another order from run to run.
    setThreadsCount(1);
  } else {
    await import("@tensorflow/tfjs-backend-cpu");
  }
  if (!(await tf.setBackend(name))) {
    throw new InvalidExperiment(`tfjs backend ${name} does not start here: choose another`);
  }
  if (name === "wasm") {
    const { registerFasterKernels } = await import("./wasm-kernels.js");
    registerFasterKernels();
  }

  // The cpu backend advertises tfjs-node at its first tensor, but only where it takes the platform for Node.
  const isNode = tf.env().getBool("IS_NODE");
  tf.env().set("IS_NODE", false);
  tf.scalar(0).dispose();
  tf.env().set("IS_NODE", isNode);
}

/**
 * tfjs-layers calls a few operations as methods of tensors (in its orthogonal initialiser, the default of
 * recurrent layers), but tfjs-core alone has them as functions only.
 */
function completeTensors({ Tensor, reshape, sign, stridedSlice, transpose }: typeof Core): void {
  const methods = {
    flatten(this: Core.Tensor) {
      return reshape(this, [this.size]);
    },
    reshape(this: Core.Tensor, shape: number[]) {
      return reshape(this, shape);
    },
    sign(this: Core.Tensor) {
      return sign(this);
    },
    stridedSlice(this: Core.Tensor, begin: number[], end: number[], strides: number[]) {
      return stridedSlice(this, begin, end, strides);
    },
    transpose(this: Core.Tensor) {
      return transpose(this);
    },
  };
  for (const [name, method] of Object.entries(methods)) {
    if (name in Tensor.prototype) continue;
    // Writable, so that a program may still load all of tfjs's own methods afterwards.
    Object.defineProperty(Tensor.prototype, name, { value: method, writable: true, configurable: true });
  }
}
