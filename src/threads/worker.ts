/** A worker thread: computes pieces of kernel calls until it is terminated. Started by `node.ts`. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { createSimdKernels } from "../kernels/simd.js";
import type { Kernels } from "../kernels.js";
import { openBoard } from "./board.js";

const port = parentPort!;
const spaces: Kernels[] = [];

port.postMessage("ready");
openBoard(workerData as SharedArrayBuffer).help((space) => {
  // Memories are posted in the order of their numbers, each before the first call about it.
  while (spaces.length <= space) {
    const posted = receiveMessageOnPort(port) as { readonly message: WebAssembly.Memory };
    spaces.push(createSimdKernels(posted.message));
  }
  return spaces[space]!;
});
