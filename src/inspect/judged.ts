/** The verdict over a run, from its logs. */
import { type RunVerdict, verdictOf } from "../observing/verdict.js";
import { runSubject } from "../runs/run-subject.js";
import { isInLockstep, type Run } from "./read.js";

/** @returns undefined before any peer has logged a round or its end */
export function verdictIn({
  header,
  peers,
  graph,
}: Pick<Run, "header" | "peers" | "graph">): RunVerdict | undefined {
  return verdictOf({
    subject: runSubject(header.experiment, !isInLockstep({ graph, header })),
    peers: peers.map(({ record }) => record),
    graph: graph.columns.round.length > 0 ? graph.record : undefined,
  });
}
