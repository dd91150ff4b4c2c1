/**
 * One peer as a process of its own, directed by the process that started it (run-network.ts) over the IPC
 * channel between them. It writes nothing but its log; it ends when its run ends, or when its parent does.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { detailsOf, type ErrorDetails, Interrupted, MurmurationError } from "../../foundation/errors.js";
import { receivedTopology, type SentTopology } from "../../graphs/sent-topology.js";
import type { PeerRecord } from "../../observing/peer-record.js";
import type { RoundReport } from "../../observing/report.js";
import type { ThreadCount } from "../../threads/node.js";
import { encodeSafetensors } from "../../vectors/safetensors.js";
import type { Experiment } from "../experiment.js";
import type { CheckpointSettings } from "./checkpoints/settings.js";
import type { Identity, LinkEvent } from "./network.js";
import { type PeerSummary, recordPeer } from "./record-peer.js";

export type ToPeer =
  | {
      readonly kind: "start";
      readonly topology: SentTopology;
      readonly experiment: Experiment;
      readonly id: number;
      readonly identity: Identity;
      readonly allowDifferentData: boolean;
      readonly directory: string | undefined;
      readonly save: string | undefined;
      readonly checkpoints: CheckpointSettings | undefined;
      readonly deadlineMs: number | undefined;
      readonly metricsPort: number | undefined;
      readonly threads: ThreadCount;
      readonly processes: number;
      /** Folder for the models that the parent wants to see. */
      readonly models: string;
    }
  | { readonly kind: "stop"; readonly reason: string };

export type FromPeer =
  | {
      readonly kind: "joined";
      readonly compressorName: string;
      readonly rounds: number;
      readonly threads: number;
      readonly foundRate?: string;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "warning"; readonly text: string }
  | { readonly kind: "metrics"; readonly url: string }
  | { readonly kind: "event"; readonly event: LinkEvent }
  | { readonly kind: "round"; readonly report: RoundReport }
  | { readonly kind: "done"; readonly summary: PeerSummary; readonly record: PeerRecord }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly message: string; readonly details: ErrorDetails };

/** File of a peer's model after a round. */
export function modelFile(folder: string, peer: number, round: number): string {
  return join(folder, `peer-${peer}-round-${round}.safetensors`);
}

/** The model vector in such a file; its other tensors are running statistics, by name. */
export const VECTOR_NAME = "";

/** Reports of rounds that matter only to a progress view go out no closer together than this. */
const PROGRESS_MS = 100;

const stop = new AbortController();
const tell = (message: FromPeer) =>
  new Promise<void>((resolve) => {
    if (process.connected) process.send!(message, () => resolve());
    else resolve();
  });

async function run(start: ToPeer & { readonly kind: "start" }): Promise<FromPeer> {
  const { models, ...options } = start;
  const writes: Promise<void>[] = [];
  let told = 0;
  let record: PeerRecord | undefined;
  try {
    // The parent judges all peers together.
    const { verdict: _, ...summary } = await recordPeer({
      ...options,
      topology: receivedTopology(options.topology),
      signal: stop.signal,
      warn: (text) => void tell({ kind: "warning", text }),
      onMetrics: (url) => void tell({ kind: "metrics", url }),
      onEvent: (event) => void tell({ kind: "event", event }),
      onRecord: (own) => {
        record = own;
      },
      onJoined: ({ compressorName, rounds, threads, foundRate, warnings }) => {
        const found = foundRate === undefined ? {} : { foundRate };
        void tell({ kind: "joined", compressorName, rounds, threads, ...found, warnings });
      },
      async onRound(report, run) {
        const { point, plan, rounds } = run;
        const now = performance.now();
        const isEnd =
          report.round === plan.rounds - 1 || report.agreedLoss?.isLast || report.round === rounds - 1;
        if (isEnd || report.evaluation || report.warnings || now - told >= PROGRESS_MS) {
          told = now;
          void tell({ kind: "round", report });
        }
        if (!isEnd) return;
        const values = Object.entries({ [VECTOR_NAME]: point, ...(await run.statistics()) });
        const tensors = values.map(([name, values]) => ({ name, shape: [values.length], values }));
        // A copy: the model moves on while the file is written.
        const parts = encodeSafetensors({ tensors, metadata: {} }).map((part) => part.slice());
        writes.push(writeFile(modelFile(models, start.id, report.round), parts));
      },
    });
    await Promise.all(writes);
    return { kind: "done", summary, record: record! };
  } catch (error) {
    if (error instanceof Interrupted) return { kind: "stopped" };
    if (error instanceof MurmurationError)
      return { kind: "failed", message: error.message, details: detailsOf(error) };
    throw error;
  }
}

if (process.send) {
  // Ctrl-C in a terminal reaches every process of the group; the parent decides what it means.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => stop.abort("the process that started it is gone"));
  process.on("message", async (message: ToPeer) => {
    if (message.kind === "stop") return stop.abort(message.reason);
    await tell(await run(message));
    process.disconnect?.();
  });
}
