/** Peers with files of their own: which belong to whom, and whether they can learn together. */
import { datasetSettings } from "../datasets/index.js";
import { causesAmong, describeDifferences } from "../exchange/differences.js";
import { compareFingerprints, type Fingerprint } from "../exchange/fingerprint.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Topology } from "../graphs/topology.js";
import { checked } from "../settings/check.js";
import type { Trainer } from "../trainers/trainer.js";
import { type Experiment, OWN_FILES } from "./experiment.js";

/**
 * The experiment with the data of one peer.
 *
 * @param isAlone whether its process runs no other peer, so that the experiment's data may be its own
 * @throws InvalidExperiment data of single peers without split `own`, or a peer without data of its own
 */
export function taskOf(
  experiment: Experiment,
  topology: Topology,
  peer: number,
  isAlone: boolean,
): Experiment {
  const { split, data } = experiment;
  const own = topology.peers[peer]!.data;
  if (split.kind !== "own") {
    if (!own) return experiment;
    throw new InvalidExperiment(
      `${topology.name} names data of peer ${peer}, and split ${split.kind} divides one data set among all peers: set split to "own", or remove the peer's data`,
      { code: "peer-data-without-split-own", peer, field: "split.kind" },
    );
  }
  if (own) {
    const keepsKind = own.kind === undefined || own.kind === data.kind;
    const settings = keepsKind ? { ...data, ...own } : own;
    const what = `${topology.name}: data of peer ${peer}`;
    return { ...experiment, data: checked(datasetSettings, settings, { what }, InvalidExperiment) };
  }
  if (isAlone && "path" in data && data.path !== OWN_FILES) return experiment;
  throw new InvalidExperiment(
    `peer ${peer} has no data of its own: name its file in the topology file, as in { "id": ${peer}, "data": "peer-${peer}.csv" }`,
    { code: "peer-without-data", peer, field: "peers" },
  );
}

/** @throws InvalidExperiment peers of one process whose files differ in classes, columns or shapes */
export function requireOneTask(trainers: readonly Trainer[]): Promise<void> {
  return requireOneKind(trainers.map((trainer) => trainer.fingerprint!()));
}

/** @throws InvalidExperiment fingerprints of the peers' files, by peer, that differ */
export async function requireOneKind(fingerprints: readonly Promise<Fingerprint>[]): Promise<void> {
  const [first, ...others] = await Promise.all(fingerprints);
  for (const [k, other] of others.entries()) {
    const peer = k + 1;
    const differences = causesAmong(compareFingerprints(first!, other));
    if (differences.length === 0) continue;
    const remedy = differences.some(({ field }) => field !== "data")
      ? "give their files the same columns and name all classes in data.classes"
      : "name one file of test examples for all in data.testPath";
    throw new InvalidExperiment(
      `peers 0 and ${peer} cannot learn together: ${describeDifferences(differences, peer)}: ${remedy}`,
      { code: "own-data-differs", peer, field: differences[0]!.field },
    );
  }
}
