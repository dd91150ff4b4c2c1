import { Command } from "commander";
import { payloadsOf } from "../algorithms/index.js";
import type { Topology } from "../graphs/topology.js";
import { type Experiment, parseExperiment } from "../runs/experiment.js";
import { type RunSummary, recordSimulation } from "../runs/node/record-simulation.js";
import { numberText, print, progress, qualityText, warn } from "./console.js";
import { readTopology } from "./files.js";
import { untilInterrupted } from "./interrupt.js";
import { wholeNumber } from "./option-types.js";
import { trainingLossText } from "./peer.js";
import { partsOf, splitTable } from "./split.js";
import { averageSummaries, summaryTable } from "./summary.js";
import { topologyLine } from "./topology.js";

/** The graph of the demo, from the installed package. */
const RING_8 = new URL("../../topologies/ring-8.json", import.meta.url).pathname;

/** Rounds that learn. */
const ROUNDS = 2000;

/** What all runs of the demo have in common: digits, two classes a peer, an MLP of 64 – 64 – 10. */
const common = {
  rounds: ROUNDS,
  evaluateEvery: 100,
  projectEvery: 0,
  learningRate: { initial: 0.6, decay: "cosine" },
  data: "digits",
  split: { kind: "shards", classesPerPeer: 2 },
  model: { kind: "mlp", hidden: [64] },
};

/** Difference gossip with one bit a parameter, which needs no closing consensus. */
const oneBit = {
  algorithm: "edge-choco",
  compressor: { kind: "sign", scope: "block", block: 1024 },
  consensusRate: 1,
  closingRounds: 0,
};

/** The runs that are compared, the reference first. `share` is of the rounds. */
const runs = [
  { settings: { name: "D-PSGD, 32 bit", algorithm: "dpsgd" } },
  {
    settings: {
      name: "DeepSqueeze, 4 bit",
      algorithm: "deepsqueeze",
      compressor: { kind: "minmax", bits: 4, scope: "block", block: 256 },
      consensusRate: 1,
    },
  },
  {
    settings: {
      name: "DeepSqueeze, 1 bit",
      algorithm: "deepsqueeze",
      compressor: { kind: "sign", scope: "block", block: 320 },
      consensusRate: { initial: 0.5, decay: "cosine" },
    },
  },
  { settings: { name: "edge-choco, 1 bit", ...oneBit } },
  {
    settings: {
      ...{ name: "edge-choco, 24 steps", ...oneBit },
      ...{ localSteps: 24, quasiGlobalMomentum: 0.7 },
    },
    share: 149 / ROUNDS,
  },
  { settings: { name: "alone", algorithm: "alone" } },
];

interface DemoOptions {
  readonly seeds: number;
  readonly rounds: number;
  readonly processes?: boolean;
  readonly json?: boolean;
}

export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "train 8 peers on a ring on handwritten digits, two classes each: compressed, exact and alone",
    )
    .option("--seeds <count>", "repeat with seeds 1 … count and average", wholeNumber(1), 1)
    .option("--rounds <count>", "training rounds", wholeNumber(1), ROUNDS)
    .option(
      "--processes",
      "run every row as eight processes over TCP, instead of in this one; slower, with the same models",
    )
    .option("--json", "print the summary of every run as JSON lines")
    .action(async (options: DemoOptions) => {
      const topology = await readTopology(RING_8);
      const experimentOf = (settings: object, seed: number, share = 1) =>
        parseExperiment({ ...common, ...settings, seed, rounds: Math.ceil(share * options.rounds) });
      if (!options.json) await printSetting(topology, experimentOf({}, 1), options.processes === true);
      const run = options.processes ? runProcesses : simulateHere;

      const summaries: RunSummary[][] = [];
      for (let seed = 1; seed <= options.seeds; seed++) {
        const ofSeed: RunSummary[] = [];
        for (const { settings, share } of runs) {
          const experiment = experimentOf(settings, seed, share);
          const label = experiment.name.padEnd(20) + (options.seeds > 1 ? ` seed ${seed}` : "");
          const summary = await run(label, topology, experiment);
          if (options.json) print(JSON.stringify({ seed, ...summary }));
          ofSeed.push(summary);
        }
        summaries.push(ofSeed);
      }
      if (options.json) return;

      const averages = runs.map((_, k) => averageSummaries(summaries.map((ofSeed) => ofSeed[k]!)));
      print(`\n${summaryTable(averages)}\n`);
      for (const line of verdicts(averages)) print(line);
    });
}

/** What a run needs to be shown while it goes on. */
type Run = (label: string, topology: Topology, experiment: Experiment) => Promise<RunSummary>;

const simulateHere: Run = async (label, topology, experiment) => {
  const bar = progress(label, experiment.rounds);
  try {
    return await recordSimulation({
      topology,
      experiment,
      warn,
      onRound: ({ round, consensusDistance }) =>
        bar.update(
          Math.min(round + 1, experiment.rounds),
          `consensus distance ${numberText(consensusDistance)}`,
        ),
    });
  } finally {
    bar.stop();
  }
};

const runProcesses: Run = async (label, topology, experiment) => {
  const { runNetwork } = await import("../runs/node/processes.js");
  const interrupted = untilInterrupted();
  const bar = progress(label, experiment.rounds);
  try {
    const { summary } = await runNetwork({
      topology,
      experiment,
      signal: interrupted.signal,
      warn,
      onProgress: ({ finished, loss, quality }) =>
        bar.update(
          Math.min(finished, experiment.rounds),
          [trainingLossText(loss), qualityText(quality)].filter(Boolean).join(", "),
        ),
    });
    return summary!;
  } finally {
    bar.stop();
    interrupted.release();
  }
};

async function printSetting(topology: Topology, experiment: Experiment, isReal: boolean): Promise<void> {
  const { about, held } = await partsOf(experiment, topology);
  print(`${topologyLine(topology)}. No server: peers only talk to their two neighbours.`);
  print("Each peer sees the handwritten digits of two classes only; the test set has all ten.\n");
  print(splitTable(about, held));
  print(
    `\n${experiment.rounds} rounds; one step of SGD and one exchange each. “24 steps” exchanges after every\n24th step, and takes 1.8 times as many.`,
  );
  print("D-PSGD and DeepSqueeze end with a closing consensus; edge-choco needs none.");
  print(
    isReal
      ? "Every run is eight processes over TCP."
      : "All runs are simulated; --processes makes each eight processes over TCP.",
  );
  print();
}

/** What the table says, in a sentence a run. */
function verdicts(averages: readonly RunSummary[]): string[] {
  const [reference, ...others] = averages;
  return others.map(({ name, algorithm, final, beforeClosing, bytesSentPerPeer }) => {
    if (payloadsOf(algorithm) === "nothing") {
      return `${name}: without exchange no peer exceeds ${(100 * final.best!).toFixed(1)} %.`;
    }
    const points = 100 * (final.worst! - reference!.final.worst!);
    const when = final.round === beforeClosing.round ? "" : " after closing";
    const ratio = (reference!.bytesSentPerPeer / bytesSentPerPeer).toFixed(1);
    const relation = `${Math.abs(points).toFixed(1)} points ${points < 0 ? "below" : "above"}`;
    return `${name}: the worst peer${when} is ${relation} D-PSGD's, with ${ratio} times fewer bytes sent.`;
  });
}
