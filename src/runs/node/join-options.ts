import type { Topology } from "../../graphs/topology.js";
import type { StartThreads } from "../../threads/threads.js";
import type { Trainer } from "../../trainers/trainer.js";
import type { Deadlines, Identity, LinkEvent, Muxer, NodeMetrics } from "../../transports/libp2p/index.js";
import type { Experiment } from "../experiment.js";
import type { RunCheckpoints } from "./checkpoints/saving.js";

/** How a peer takes part in a run; see `joinRun`. */
export interface JoinOptions {
  /** Names the PeerIds of this peer and its neighbours, and where they listen. */
  readonly topology: Topology;
  readonly experiment: Experiment;
  /** Number of this peer in the topology. */
  readonly id: number;
  /** The key that belongs to its PeerId. */
  readonly identity: Identity;
  /** The caller's trainer; it is not disposed of. The experiment's where left out. */
  readonly trainer?: Trainer;
  /** Threads for a large model, such as `workerThreads("auto")`; only the caller's where left out. */
  readonly startThreads?: StartThreads;
  /** Processes with peers on this machine, among which threads of a trainer that are `auto` divide its cores. Default 1. */
  readonly processes?: number;
  /**
   * Accepts neighbours that train on other examples of the same classes and shape. They must accept as much. Default
   * false: all peers divide one data set.
   */
  readonly allowDifferentData?: boolean;
  /** In the order of preference. Default mplex, then yamux. */
  readonly muxers?: readonly Muxer[];
  /**
   * How long to wait for a silent or missing neighbour before the run ends, in milliseconds. Every other wait derives
   * from it: {@link deadlinesFrom}. Default {@link DEFAULT_DEADLINE_MS}, at least 1000.
   */
  readonly deadlineMs?: number;
  /** Single waits that do not derive from the deadline. */
  readonly deadlines?: Partial<Deadlines>;
  /** Makes the run outlive its process. */
  readonly checkpoints?: RunCheckpoints;
  /**
   * Comes into a run that is under way, without state: as a new peer of a topology that grew, or as one that lost what it
   * had. It takes a neighbour's model.
   */
  readonly join?: boolean;
  /** Where libp2p counts what it does, as `prometheusMetrics()` of `@libp2p/prometheus-metrics` makes it. */
  readonly metrics?: NodeMetrics;
  /** Receives what happens on the edges. */
  readonly report?: (event: LinkEvent) => void;
  /** Ends the run early, and any wait for it to begin. */
  readonly signal?: AbortSignal;
}
