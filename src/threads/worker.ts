/** A worker thread: computes pieces of kernel calls until it is terminated. Started by `node.ts`. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Kernels } from "../kernels/kernels.js";
import { createSimdKernels } from "../kernels/simd.js";
import { openBoard } from "./board.js";

/** A memory that this thread helps with, and where in it is this thread's room. */
export interface PostedSpace {
  readonly memory: WebAssembly.Memory;
  readonly room: number;
}

const port = parentPort!;
const spaces: Kernels[] = [];

port.postMessage("ready");
openBoard(workerData as SharedArrayBuffer).help((space) => {
  // Memories are posted in the order of their numbers, each before the first call about it.
  while (spaces.length <= space) {
    const { memory, room } = (receiveMessageOnPort(port) as { readonly message: PostedSpace }).message;
    spaces.push(createSimdKernels(memory, room));
  }
  return spaces[space]!;
});
