/** What a worker thread with peers of a simulation does for the thread that started it: calls, and what they return. */
import type { MessagePort } from "node:worker_threads";
import type { ActiveBackend } from "../../../backend.js";
import type { Checkpoint } from "../../../checkpoint.js";
import type { ExampleCounts } from "../../../dataset.js";
import type { Evaluation } from "../../../evaluation.js";
import type { Fingerprint } from "../../../exchange/fingerprint.js";
import type { SentTopology } from "../../../graphs/sent-topology.js";
import type { SavedModel } from "../../../saved-model.js";
import type { ThreadCount } from "../../../threads/node.js";
import type { Layout } from "../../../vectors/layout.js";
import type { NamedValues, TensorGroup } from "../../../vectors/state.js";
import type { Vector } from "../../../vectors/vector.js";
import type { Experiment } from "../../experiment.js";
import type { PreparedPeers } from "../../prepare.js";
import type { PackedReports } from "./packed-reports.js";

/** The part of a run that one worker has. */
export interface Part {
  readonly topology: SentTopology;
  readonly experiment: Experiment;
  /** Its peers. */
  readonly ids: readonly number[];
  readonly threads: ThreadCount;
  /** Workers among which `auto` threads divide the cores. */
  readonly workers: number;
  /** Whether reports have the times of this machine; times are 0 otherwise. */
  readonly isTimed: boolean;
}

/** A peer that is ready. Its vectors lie in shared memory. */
export interface ReadyPeer {
  readonly id: number;
  readonly compressorName: string;
  readonly rounds: number;
  readonly model: Vector;
  readonly point: Vector;
  readonly frozenShapes: TensorGroup["shapes"] | undefined;
  readonly counts: ExampleCounts | undefined;
  readonly evaluates: boolean;
  /** Whether its model has running statistics. */
  readonly hasStatistics: boolean;
  /** What its own files hold, where it has some. */
  readonly data: Fingerprint | undefined;
}

export interface ReadyPart extends Pick<PreparedPeers, "threads" | "foundRate" | "warnings"> {
  readonly peers: readonly ReadyPeer[];
  readonly layout: Layout;
  /** Most bytes of a payload of its first peer. */
  readonly largestPayloadBytes: number;
  readonly backend: ActiveBackend | undefined;
}

/** Where a worker's frames go. */
export interface Lines {
  /** Place of this worker among all. */
  readonly own: number;
  /** Worker by peer. */
  readonly homes: readonly number[];
  /** By worker; undefined at its own place. */
  readonly ports: readonly (MessagePort | undefined)[];
  readonly maximumPayloadBytes: number;
}

export interface PeerService {
  /** Once, first. */
  prepare(part: Part): Promise<ReadyPart>;
  /** Once, before the first round. */
  connect(lines: Lines): Promise<void>;
  /** One round of its peers; undefined after the last one, or where the peers were released. */
  next(): Promise<PackedReports | undefined>;
  /** Ends every wait of its peers. */
  release(): Promise<void>;
  fingerprint(peer: number): Promise<Fingerprint>;
  restore(peer: number, checkpoint: Checkpoint): Promise<void>;
  /** What the trainer keeps, and a checkpoint whose vectors are the live ones. */
  snapshot(peer: number): Promise<{ readonly own: NamedValues; readonly checkpoint: Checkpoint }>;
  saved(peer: number): Promise<SavedModel>;
  frozen(peer: number): Promise<NamedValues>;
  evaluate(peer: number, model: Float32Array, statistics: NamedValues): Promise<Evaluation>;
  statistics(peer: number): Promise<NamedValues>;
  /** Releases the trainers. */
  dispose(): Promise<void>;
}
