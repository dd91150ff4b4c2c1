// What a model of the TensorFlow.js layers format answers: the same program for Node, which runs it as it is, and for a
// browser, which runs it bundled. It knows of the built package only its layers.
import "murmuration-train/layers";
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { loadLayersModel } from "@tensorflow/tfjs-layers";

/**
 * @param {string} url of model.json
 * @param {number[]} features of a batch
 * @returns {Promise<number[]>}
 */
export async function answers(url, features) {
  await tf.setBackend("cpu");
  const model = await loadLayersModel(url);
  const shape = model.inputs[0].shape.slice(1);
  const size = shape.reduce((product, side) => product * side, 1);
  const output = model.predict(tf.tensor(features, [features.length / size, ...shape]));
  return [...(await output.data())];
}
