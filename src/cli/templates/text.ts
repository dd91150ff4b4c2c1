import { random } from "../../foundation/random.js";
import type { Template } from "./template.js";

const SENTENCES = 600;
const SEQUENCE_LENGTH = 32;

const subjects = ["a starling", "the flock", "every bird", "the wind", "a falcon", "the nearest neighbour"];
const verbs = ["follows", "crosses", "turns above", "waits for", "leaves", "circles"];
const objects = ["the river", "the old pier", "its seven neighbours", "the evening", "a field", "the reeds"];

export const text: Template = {
  name: "text",
  about: "A small transformer learns to predict the next character of a text, of which each peer has a part.",
  peers: 4,
  mostPeers: 100,
  experiment: {
    learningRate: 0.003,
    optimizer: "adam",
    batchSize: 16,
    model: { kind: "char-transformer", width: 32, heads: 2, blocks: 1 },
    data: { kind: "text", path: "text.txt", sequenceLength: SEQUENCE_LENGTH },
    split: "contiguous",
  },
  async files() {
    return [{ name: "text.txt", about: "the text; any other in UTF-8 can take its place", content: story() }];
  },
};

/** Sentences of a few words in a random order, always the same. */
function story(): string {
  const draws = random(1, "text template");
  const pick = (words: readonly string[], index: number) => words[draws.bits(index) % words.length]!;
  const sentences = Array.from({ length: SENTENCES }, (_, k) => {
    const sentence = [pick(subjects, 3 * k), pick(verbs, 3 * k + 1), pick(objects, 3 * k + 2)].join(" ");
    return `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.\n`;
  });
  return sentences.join("");
}
