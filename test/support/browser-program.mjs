// Four peers on a ring train on digits: the same program for Node, which runs it as it is, and for a browser, which
// runs it bundled. It imports the built core by its public name, as a user's program does.
import {
  decodeModel,
  encodeModel,
  evaluateModel,
  fileOf,
  loadDataset,
  modelDigest,
  openModel,
  parseExperiment,
  parseTopology,
  simulate,
} from "murmuration-train";

/**
 * What every peer ends with, and what the first peer's model is worth once it went through a file.
 *
 * @param {object} settings of the experiment
 * @returns {Promise<{ digests: string[], accuracy: number | undefined, saved: { loss: number, accuracy: number } }>}
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
  const [peer] = simulation.peers;
  const saved = await evaluateFile(encodeModel(fileOf(await peer.saved())));
  simulation.dispose();
  return { digests, accuracy, saved };
}

async function evaluateFile(parts) {
  const bytes = new Uint8Array(await new Blob(parts.map((part) => part.slice())).arrayBuffer());
  const { predictor, experiment } = await openModel(decodeModel(bytes, "the model"));
  const { test } = await loadDataset(experiment.data);
  const { loss, accuracy } = await evaluateModel(predictor, test.features, test.labels);
  predictor.dispose();
  return { loss, accuracy };
}
