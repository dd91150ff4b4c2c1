/** Every backend there is. Adding one: a file here and its name in the list. */
import type { ActiveBackend, BackendKind, BackendName } from "../backend.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { cpu } from "./cpu.js";
import { missingPackages } from "./installed.js";
import { node } from "./node.js";
import { nodeGpu } from "./node-gpu.js";
import { wasm } from "./wasm.js";
import { webgpu } from "./webgpu.js";

/** The fastest first: the order in which `auto` tries them. */
export const backends = [nodeGpu, node, webgpu, wasm, cpu] as const satisfies readonly BackendKind[];

let chosen: { readonly name: BackendName; readonly ready: Promise<ActiveBackend> } | undefined;
let active: ActiveBackend | undefined;

/** The backend that computes in this process; undefined where nothing has needed tfjs. */
export function activeBackend(): ActiveBackend | undefined {
  return active;
}

/**
 * Load a backend and make it the one that computes. tfjs has one per process, so a second call must name the
 * same one.
 *
 * @param name `auto` takes the first that starts of node-gpu, node, webgpu, wasm and cpu. Results of one seed
 *   have equal bits on one backend only, so name one where that matters
 * @throws InvalidExperiment another backend is in use already, or this one does not start; says how to get it
 */
export function useBackend(name: BackendName = "wasm"): Promise<ActiveBackend> {
  if (chosen && chosen.name !== name && active?.name !== name) {
    throw new InvalidExperiment(
      `backend ${name} cannot start, because this process already uses ${active?.name ?? chosen.name}: use one backend per process`,
      { code: "backend-already-chosen", field: "backend" },
    );
  }
  chosen ??= { name, ready: start(name) };
  return chosen.ready;
}

async function start(name: BackendName): Promise<ActiveBackend> {
  const tf = await loadCore().catch((error: unknown) => {
    chosen = undefined;
    throw error;
  });
  const { completeTensors } = await import("./tensor-methods.js");
  completeTensors(tf);

  const candidates = name === "auto" ? backends : backends.filter((kind) => kind.name === name);
  const passedOver: { name: string; reason: string }[] = [];
  for (const kind of candidates) {
    try {
      active = { name: kind.name, device: await startInstalled(kind, name !== "auto"), passedOver };
    } catch (error) {
      const reason = firstLine(error);
      if (name !== "auto") {
        chosen = undefined;
        throw new InvalidExperiment(`backend ${name} does not start: ${reason}; ${kind.remedy}`, {
          code: "backend-does-not-start",
          field: "backend",
          cause: error,
        });
      }
      passedOver.push({ name: kind.name, reason });
      continue;
    }
    silenceAdvertisement(tf);
    return active;
  }
  throw new InvalidExperiment("no backend starts: reinstall this package", { code: "no-backend" });
}

/**
 * tfjs is an optional dependency: peers whose trainer is a program do without it.
 * @throws InvalidExperiment it is not installed
 */
async function loadCore() {
  try {
    return await import("@tensorflow/tfjs-core");
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new InvalidExperiment(
      "TensorFlow.js is not installed, and layers models need it: npm install @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-cpu @tensorflow/tfjs-backend-wasm",
      { code: "no-tensorflow", cause },
    );
  }
}

async function startInstalled(kind: BackendKind, isNamed: boolean): Promise<string> {
  const missing = await missingPackages(kind.packages);
  if (missing.length > 0) throw new Error(`${missing.join(" and ")} not installed`);
  const device = await kind.start(isNamed);
  const { correctKernels } = await import("./corrections/index.js");
  correctKernels(kind.name);
  return device;
}

/** Starts one backend as `auto` would and says how that went, for a process that does nothing else. */
export async function startAlone(name: string): Promise<{ device: string } | { reason: string }> {
  try {
    await loadCore();
    return { device: await startInstalled(backends.find((kind) => kind.name === name)!, false) };
  } catch (error) {
    return { reason: firstLine(error) };
  }
}

function firstLine(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line.trim().replace(/[.:]$/, "");
}

/** The cpu backend advertises tfjs-node at its first tensor, but only where it takes the platform for Node. */
export function silenceAdvertisement(tf: typeof import("@tensorflow/tfjs-core")): void {
  const isNode = tf.env().getBool("IS_NODE");
  tf.env().set("IS_NODE", false);
  tf.scalar(0).dispose();
  tf.env().set("IS_NODE", isNode);
}
