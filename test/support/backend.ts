import { type BackendName, backendNames } from "../../src/backend.js";

/** The backend that tests of trainers and models run on: wasm, or what MURMURATION_BACKEND names. */
export const testBackend: BackendName =
  backendNames.find((name) => name === process.env.MURMURATION_BACKEND) ?? "wasm";
