import type { BackendKind } from "../backend.js";

/** tfjs's plain JavaScript: has every operation, and is the reference for the others. Slow. */
export const cpu: BackendKind = {
  name: "cpu",
  about: "plain JavaScript, for reference: too slow for convolutions",
  packages: [],
  remedy: "install this package again",
  async start() {
    await import("@tensorflow/tfjs-backend-cpu");
    const { setBackend } = await import("@tensorflow/tfjs-core");
    await setBackend("cpu");
    return "JavaScript, one thread";
  },
};
