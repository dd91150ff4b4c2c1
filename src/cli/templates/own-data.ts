import { normal, random } from "../../foundation/random.js";
import type { Template, TemplateFile } from "./template.js";

const MOST_PEERS = 64;
const HEADER = "temperature,vibration,current,state";
const HELD_OUT = "data/held-out.csv";
const HELD_OUT_ROWS = 300;

/** States of a machine, and the means of what is measured in each. */
const states = {
  broken: [64, 1.1, 5.5],
  normal: [45, 0.3, 5],
  worn: [55, 0.7, 6],
} as const;
type State = keyof typeof states;
const names = Object.keys(states) as State[];
/** Standard deviations of what is measured. */
const spreads = [6, 0.2, 0.5];

/** Of the first examples of a peer: the fewest, and how many more the largest peer has. */
const FEWEST_ROWS = 40;
const MORE_ROWS = 200;

export const ownData: Template = {
  name: "own-data",
  about:
    "Peers with files of their own learn the state of a machine from three measurements. Their files differ in size and in the states that occur.",
  peers: 4,
  mostPeers: MOST_PEERS,
  experiment: {
    learningRate: 0.1,
    model: { kind: "mlp", hidden: [16] },
    data: { kind: "csv", label: "state", classes: names, testPath: HELD_OUT },
    split: { kind: "own", test: "common" },
    peerWeights: "examples",
  },
  setup: () =>
    `On machines of their own, a peer needs besides the files of all only its own file and \`${HELD_OUT}\`: no example leaves its owner.`,
  peer: (id) => ({ id, data: pathOf(id) }),
  async files(peers) {
    const own = Array.from({ length: peers }, (_, id): TemplateFile => {
      const about = `examples of peer ${id} alone, as written in \`topology.json\`: put your own in their place`;
      const rows = FEWEST_ROWS + (random(id, "rows").bits(0) % MORE_ROWS);
      // A peer has seen two of the three states; a single one has seen all.
      const seen = peers === 1 ? names : names.filter((_, k) => k !== id % names.length);
      return { name: pathOf(id), about, content: table(rows, seen, id) };
    });
    const about = "examples that every peer is evaluated on";
    return [...own, { name: HELD_OUT, about, content: table(HELD_OUT_ROWS, names, peers) }];
  },
  evaluate: (model) => `murmur evaluate ${model} ${HELD_OUT}`,
};

const pathOf = (peer: number) => `data/peer-${peer}.csv`;

/** Rows of these states in turn. */
function table(rows: number, seen: readonly State[], salt: number): string {
  const draws = random(salt, "own-data template");
  const lines = Array.from({ length: rows }, (_, row) => {
    const state = seen[row % seen.length]!;
    const measured = states[state].map((mean, k) => mean + spreads[k]! * normal(draws, 3 * row + k));
    return [...measured.map((number) => number.toFixed(2)), state].join(",");
  });
  return `${[HEADER, ...lines].join("\n")}\n`;
}
