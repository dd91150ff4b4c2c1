import { createRequire } from "node:module";
import type { BackendKind } from "../backend.js";

/** The part of the `webgpu` package that is used: Dawn, the WebGPU of Chrome. */
interface Dawn {
  create(flags: string[]): {
    requestAdapter(): Promise<{
      info?: { vendor: string; architecture: string; description: string };
    } | null>;
  };
  readonly globals: object;
}

/** Any GPU with Vulkan, Metal or Direct3D 12, through Dawn. */
export const webgpu: BackendKind = {
  name: "webgpu",
  about: "a GPU with Vulkan, Metal or Direct3D 12, through Dawn",
  packages: ["webgpu", "@tensorflow/tfjs-backend-webgpu"],
  remedy:
    "npm install webgpu @tensorflow/tfjs-backend-webgpu@4.22.0; on Linux it also needs libvulkan1 and the GPU's Vulkan driver",
  async start() {
    const require = createRequire(import.meta.url);
    // Named at run time, because these packages need not be there when this one is compiled.
    const dawn = (await import(require.resolve("webgpu"))) as Dawn;
    const gpu = dawn.create([]);
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error("Dawn loads, but finds no GPU with a driver for it");

    Object.assign(globalThis, dawn.globals);
    // Node 20 has no navigator.
    if (!("navigator" in globalThis)) Object.assign(globalThis, { navigator: {} });
    Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
    require("@tensorflow/tfjs-backend-webgpu");
    const { add, setBackend, tidy } = await import("@tensorflow/tfjs-core");
    if (!(await setBackend("webgpu"))) throw new Error("tfjs cannot use this GPU");
    try {
      tidy(() => add(1, 1).dataSync());
    } catch (cause) {
      // tfjs 4.22 reads synchronously through an OffscreenCanvas, which only browsers have.
      throw new Error(
        "tfjs computes on this GPU, but outside browsers it cannot wait for results as training does",
        {
          cause,
        },
      );
    }
    const { vendor, architecture, description } = adapter.info ?? {};
    return `WebGPU on ${[vendor, architecture, description].filter(Boolean).join(" ") || "a GPU"}`;
  },
};
