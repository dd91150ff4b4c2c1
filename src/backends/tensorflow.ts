/** What the two native packages of tfjs have in common: both bind libtensorflow, one of them with CUDA. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import nodeUtil from "node:util";
import * as tf from "@tensorflow/tfjs-core";

/** What these packages add to tfjs; they share its core with this package. */
interface NativePackage {
  readonly version: Readonly<Record<string, string>>;
  backend(): { readonly isUsingGpuDevice: boolean; readonly binding: { TF_Version: string } };
}

/**
 * Loads one of them; on loading it makes itself tfjs's backend.
 *
 * @throws Error the package is not installed, has no native part, or its library does not load here
 */
export function loadTensorflow(packageName: string): { version: string; usesGpu: boolean } {
  const require = createRequire(import.meta.url);
  // Asked first, because the package registers its kernels before it looks for the library that computes them.
  if (!hasBinding(dirname(require.resolve(`${packageName}/package.json`)))) {
    throw new Error(
      "its native part is not there, because its install script did not run or could not download",
    );
  }
  restoreTypeChecks();
  // libtensorflow greets at length on stderr; warnings and errors still come through.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "1";
  try {
    const backend = (require(packageName) as NativePackage).backend();
    return { version: backend.binding.TF_Version, usesGpu: backend.isUsingGpuDevice };
  } catch (error) {
    forgetTensorflow();
    throw error;
  }
}

/** Takes a loaded package's backend out of tfjs again: the other package's goes by the same name. */
export function forgetTensorflow(): void {
  for (const { kernelName } of tf.getKernelsForBackend("tensorflow")) {
    tf.unregisterKernel(kernelName, "tensorflow");
  }
  tf.removeBackend("tensorflow");
}

/** Whether the package in this folder has its compiled part, in `lib/napi-v…`. */
function hasBinding(folder: string): boolean {
  const compiled = join(folder, "lib");
  return (
    existsSync(compiled) &&
    readdirSync(compiled).some((version) => existsSync(join(compiled, version, "tfjs_binding.node")))
  );
}

/** tfjs-node 4.22 calls two methods that Node 23 took out of `util`. */
function restoreTypeChecks(): void {
  const old = nodeUtil as unknown as Record<string, unknown>;
  old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}
