import { Command } from "commander";
import {
  describeTopology,
  type SequenceDescription,
  type Topology,
  type TopologyDescription,
} from "../graphs/topology.js";
import { numberText, print, table } from "./console.js";
import { readTopology } from "./files.js";

/** One line on a graph, for the top of other commands' output. */
export function topologyLine(topology: Topology): string {
  const { peers, edges, spectralGap, sequence } = describeTopology(topology);
  const speed = sequence?.isExact
    ? `exact average in ${sequence.period} rounds`
    : `spectral gap ${numberText(spectralGap)}`;
  return `${topology.name}: ${peers} peers, ${edges} edges, ${speed}`;
}

export function topologyCommand(): Command {
  return new Command("topology")
    .description("check a topology file and print what its graph can do")
    .argument("<topology>", "topology file (JSON), or an edge list")
    .option("--json", "print as JSON")
    .action(async (file: string, options) => {
      const topology = await readTopology(file);
      const described = describeTopology(topology);
      if (options.json) return print(JSON.stringify(described));
      print(table([described.name, ""], rowsOf(described)));
    });
}

function eigenvalueRows(described: TopologyDescription): [string, string | number][] {
  return [
    [described.isDirected ? "|λ₂|" : "λ₂", numberText(described.secondEigenvalue)],
    ...(described.isDirected ? [] : [["λₙ", numberText(described.smallestEigenvalue)] as [string, string]]),
    ["spectral gap", numberText(described.spectralGap)],
  ];
}

/** What there is to know of a graph that changes from round to round. */
function sequenceRows(
  { secondEigenvalue, isDirected }: TopologyDescription,
  { period, isExact, mostNeighbours, edgesPerRound }: SequenceDescription,
): [string, string | number][] {
  return [
    ["rounds of a period", period ?? "every round is drawn anew"],
    ["edges of a round", numberText(edgesPerRound)],
    ["neighbours of a round", mostNeighbours <= 1 ? mostNeighbours : `at most ${mostNeighbours}`],
    isExact
      ? ["exact average", `in every ${period} rounds of exact gossip${isDirected ? "" : ", η = 1"}`]
      : ["left of ‖X − X̄‖ by a round, in the mean", numberText(secondEigenvalue)],
  ];
}

/** What a person wants to read, in the order in which it matters. */
function rowsOf(described: TopologyDescription): [string, string | number][] {
  const { minimumDegree, maximumDegree, roundsFactor, roundsAtOne, roundsAtOptimum } = described;
  const share = `rounds of exact gossip to ${roundsFactor * 100} % of the consensus distance`;
  const { sequence } = described;
  const rows: [string, string | number][] = [
    ["graph", described.kind],
    ["peers", described.peers],
    [sequence ? "edges of all rounds" : "edges", described.edges],
    [
      sequence ? "neighbours of all rounds" : "neighbours",
      minimumDegree === maximumDegree ? minimumDegree : `${minimumDegree} to ${maximumDegree}`,
    ],
    ...(sequence ? sequenceRows(described, sequence) : eigenvalueRows(described)),
  ];
  // Rates and a closing consensus belong to a symmetric W.
  if (described.isDirected)
    return [...rows, ["directed", "weights are equal shares of what a peer gives away"]];
  return [
    ...rows,
    ["best consensus rate η*", numberText(described.optimalConsensusRate)],
    ["η must stay below", numberText(described.maximumConsensusRate)],
    [`${share}, η = 1`, roundsAtOne],
    [`${share}, η*`, roundsAtOptimum],
    ["rounds of the closing consensus", described.closingRounds],
    [
      "disagreement that closing leaves",
      described.closingContraction < 1e-9 ? "none" : numberText(described.closingContraction),
    ],
  ];
}
