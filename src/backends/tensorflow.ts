/** What the two native packages of tfjs have in common: both bind libtensorflow, one of them with CUDA. */
import * as tf from "@tensorflow/tfjs-core";
import { requireHere } from "./installed.js";

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
export async function loadTensorflow(packageName: string): Promise<{ version: string; usesGpu: boolean }> {
  const require = await requireHere();
  // Asked first, because the package registers its kernels before it looks for the library that computes them.
  if (!(await hasBinding(require.resolve(`${packageName}/package.json`)))) {
    throw new Error(
      "its native part is not there, because its install script did not run or could not download",
    );
  }
  await restoreTypeChecks();
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

/** Whether the package with this manifest has its compiled part, in `lib/napi-v…`. */
async function hasBinding(manifest: string): Promise<boolean> {
  const [{ existsSync, readdirSync }, { dirname, join }] = await Promise.all([
    import("node:fs"),
    import("node:path"),
  ]);
  const compiled = join(dirname(manifest), "lib");
  return (
    existsSync(compiled) &&
    readdirSync(compiled).some((version) => existsSync(join(compiled, version, "tfjs_binding.node")))
  );
}

/** tfjs-node 4.22 calls two methods that Node 23 took out of `util`. */
async function restoreTypeChecks(): Promise<void> {
  const { default: nodeUtil } = await import("node:util");
  const old = nodeUtil as unknown as Record<string, unknown>;
  old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}
