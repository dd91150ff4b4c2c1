// Four peers on a ring train on digits: the same program for Node, which runs it as it is, and for a browser, which
// runs it bundled. It imports the built core by its public name, as a user's program does.
import { modelDigest, parseExperiment, parseTopology, simulate } from "murmuration";

/**
 * What every peer ends with.
 *
 * @param {object} settings of the experiment
 * @returns {Promise<{ digests: string[], accuracy: number | undefined }>}
 */
export async function train(settings) {
  const topology = parseTopology({ graph: { kind: "ring", peers: 4 } }, "ring");
  const experiment = parseExperiment({
    algorithm: "deepsqueeze",
    compressor: "sign",
    split: "iid",
    ...settings,
  });
  const simulation = await simulate(topology, experiment);
  let accuracy;
  for await (const { meanEvaluation } of simulation.run()) {
    if (meanEvaluation) accuracy = meanEvaluation.accuracy;
  }
  const digests = simulation.peers.map(({ model }) => modelDigest(model));
  simulation.dispose();
  return { digests, accuracy };
}
