/** Every correction of tfjs's kernels and gradients. Adding one: a file here and its name in the list. */
import {
  getGradient,
  getKernel,
  type KernelConfig,
  registerGradient,
  registerKernel,
  type Tensor,
  tidy,
  unregisterGradient,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import type { BackendKind } from "../../backend.js";
import { averagePooling } from "./average-pooling.js";
import { averagePooling3d } from "./average-pooling-3d.js";
import { comparisons } from "./comparisons.js";
import { convolution3d } from "./convolution-3d.js";
import type { CorrectedKernel, Correction } from "./correction.js";
import { depthwise } from "./depthwise.js";
import { maxPooling3d } from "./max-pooling-3d.js";
import { resizing } from "./resizing.js";

export const corrections = {
  averagePooling,
  averagePooling3d,
  comparisons,
  convolution3d,
  depthwise,
  maxPooling3d,
  resizing,
} satisfies Readonly<Record<string, Correction>>;

type Names = readonly (keyof typeof corrections)[];

const undoing = new Map<string, () => void>();

/**
 * Corrects a backend whose own kernels are registered. Calling again changes nothing.
 * @param names which corrections
 * @returns a function that puts tfjs's own back
 */
export function correctKernels(
  backend: BackendKind["name"],
  names: Names = Object.keys(corrections) as (keyof typeof corrections)[],
): () => void {
  const undo = undoing.get(backend) ?? correct(backend, names);
  undoing.set(backend, undo);
  return undo;
}

function correct(backend: BackendKind["name"], names: Names): () => void {
  const steps: (() => void)[] = [() => undoing.delete(backend)];
  for (const { backends, kernels = {}, gradients = [] } of names.map(
    (name): Correction => corrections[name],
  )) {
    if (!backends.includes(backend)) continue;
    for (const [name, kernel] of Object.entries(kernels)) steps.push(replaceKernel(name, backend, kernel));
    for (const gradient of gradients.filter(({ kernelName }) => !getGradient(kernelName))) {
      registerGradient(gradient);
      steps.push(() => unregisterGradient(gradient.kernelName));
    }
  }
  return () => {
    for (const step of steps) step();
  };
}

function replaceKernel(name: string, backend: string, kernel: CorrectedKernel): () => void {
  const stock = getKernel(name, backend);
  if (stock) unregisterKernel(name, backend);
  registerKernel(configOf(name, backend, kernel, stock));
  return () => {
    unregisterKernel(name, backend);
    if (stock) registerKernel(stock);
  };
}

function configOf(
  kernelName: string,
  backendName: string,
  kernel: CorrectedKernel,
  stock: KernelConfig | undefined,
): KernelConfig {
  return {
    ...{ kernelName, backendName },
    ...(stock?.setupFunc && { setupFunc: stock.setupFunc }),
    kernelFunc: ({ inputs, attrs = {}, backend }) =>
      tidy(() =>
        kernel(inputs as Record<string, Tensor>, attrs, (others, attributes) => {
          if (!stock) throw new Error(`${backendName} has no kernel ${kernelName}`);
          return stock.kernelFunc({ inputs: { ...others }, attrs: attributes, backend }) as Tensor;
        }),
      ),
  };
}
