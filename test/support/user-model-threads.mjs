// A user's model with dropout, penalties and frozen weights, that fails in worker threads alone where it is asked to.
import { isMainThread, parentPort } from "node:worker_threads";
import { initializers, layers, regularizers, sequential } from "@tensorflow/tfjs-layers";

function nested(depth) {
  let value = [];
  for (let k = 0; k < depth; k++) value = [value];
  return value;
}

const failures = {
  exit: () => process.exit(3),
  throws() {
    throw new Error("no luck\nat all");
  },
  // Nobody awaits it.
  rejects: () => void Promise.reject(new Error("no luck")),
  // The main thread has less room on its stack than a worker.
  unreadable: () => parentPort.postMessage(nested(5000)),
};

class Failing extends layers.Layer {
  static className = "FailingInThreads";
  calls = 0;
  constructor({ how, after, ...config }) {
    super(config);
    Object.assign(this, { how, after });
  }
  call(inputs, { training }) {
    if (this.how && !isMainThread && training && this.calls++ >= this.after) failures[this.how]();
    return Array.isArray(inputs) ? inputs[0] : inputs;
  }
  computeOutputShape(shape) {
    return shape;
  }
}

export default ({ inputShape, outputs, seed }, { dropout, penalty, fails: how, after = 0 }) => {
  if (how === "building" && !isMainThread) throw new Error("no thread for me");
  const drawn = (extra) => ({ kernelInitializer: initializers.glorotUniform({ seed: seed + extra }) });
  return sequential({
    layers: [
      layers.flatten({ inputShape }),
      new Failing({ how, after }),
      layers.dense({ units: 12, activation: "tanh", ...drawn(0) }),
      ...(dropout ? [layers.dropout({ rate: dropout, seed: 1 })] : []),
      layers.dense({
        units: outputs,
        ...drawn(1),
        ...(penalty && { kernelRegularizer: regularizers.l2({ l2: penalty }) }),
      }),
    ],
  });
};
