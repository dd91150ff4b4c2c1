import type { BackendKind } from "../backend.js";
import { requireHere } from "./installed.js";

/** The part of the `webgpu` package that is used: Dawn, the WebGPU of Chrome. */
interface Dawn {
  create(flags: string[]): { requestAdapter(): Promise<{ info: AdapterInfo } | null> };
  readonly globals: object;
}

interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** Whether it is a program on the processor that stands in for a GPU. */
  readonly isFallbackAdapter: boolean;
}

/** Where Vulkan drivers for Linux are made known. */
const VULKAN_DRIVER_FOLDERS = [
  "/usr/share/vulkan/icd.d",
  "/usr/local/share/vulkan/icd.d",
  "/etc/vulkan/icd.d",
];

/** Any GPU with Vulkan, Metal or Direct3D 12, through Dawn. */
export const webgpu: BackendKind = {
  name: "webgpu",
  about: "a GPU with Vulkan, Metal or Direct3D 12, through Dawn",
  packages: ["webgpu", "@tensorflow/tfjs-backend-webgpu"],
  remedy:
    "npm install webgpu @tensorflow/tfjs-backend-webgpu@4.22.0; on Linux it also needs libvulkan1 and the GPU's Vulkan driver",
  async start(isNamed) {
    const require = await requireHere();
    // Named at run time, because these packages need not be there when this one is compiled.
    const dawn = (await import(require.resolve("webgpu"))) as Dawn;
    const gpu = dawn.create([]);
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error(`Dawn loads, but finds no GPU that it can use${await driversHere()}`);
    const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
    const device = [vendor, architecture, description].filter(Boolean).join(" ") || "a GPU";
    if (isFallbackAdapter && !isNamed) {
      throw new Error(
        `Dawn finds no GPU, only ${device}, which is software and slower than wasm; --backend webgpu takes it all the same`,
      );
    }

    Object.assign(globalThis, dawn.globals);
    // Node 20 has no navigator.
    if (!("navigator" in globalThis)) Object.assign(globalThis, { navigator: {} });
    Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
    require("@tensorflow/tfjs-backend-webgpu");
    const { add, setBackend } = await import("@tensorflow/tfjs-core");
    if (!(await setBackend("webgpu"))) throw new Error("tfjs cannot use this GPU");
    const two = add(1, 1);
    await two.data();
    two.dispose();
    return `WebGPU on ${device}`;
  },
};

/** What there is for Dawn to choose from, on Linux. */
async function driversHere(): Promise<string> {
  if (process.platform !== "linux") return "";
  const { readdirSync } = await import("node:fs");
  const drivers = VULKAN_DRIVER_FOLDERS.flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return drivers.length === 0
    ? `: no Vulkan driver is installed in ${VULKAN_DRIVER_FOLDERS[0]}`
    : `: the Vulkan drivers ${drivers.map((name) => name.replace(/_icd.*|\.json$/, "")).join(", ")} have no device here, or are too old`;
}
