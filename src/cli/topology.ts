import { Command, Option } from "commander";
import { InvalidTopology } from "../foundation/errors.js";
import { formatOf, formats } from "../graph-formats/index.js";
import { documentOf } from "../graph-formats/settings.js";
import {
  describeTopology,
  parseTopology,
  type SequenceDescription,
  type Topology,
  type TopologyDescription,
} from "../graphs/topology.js";
import { namesOf } from "../graphs/topology-peers.js";
import { numberText, print, table } from "./console.js";
import { createFile, prettyJson, readTopologySettings } from "./files.js";
import { TOPOLOGY_FILE } from "./option-types.js";

/** One line on a graph, for the top of other commands' output. */
export function topologyLine(topology: Topology): string {
  const { peers, edges, spectralGap, sequence } = describeTopology(topology);
  const speed = sequence?.isExact
    ? `exact average in ${sequence.period} rounds`
    : `spectral gap ${numberText(spectralGap)}`;
  return `${topology.name}: ${peers} peers, ${edges} edges, ${speed}`;
}

interface Options {
  readonly format?: string;
  /** False with --no-weights. */
  readonly weights: boolean;
  readonly to?: string;
  readonly json?: boolean;
}

export function topologyCommand(): Command {
  return new Command("topology")
    .description("check a topology file and print what its graph can do, or write it in another format")
    .argument("<topology>", TOPOLOGY_FILE)
    .addOption(
      new Option("--format <format>", "format of the file; default: by its ending").choices(
        formats.map(({ name }) => name),
      ),
    )
    .option("--no-weights", "leave out the weights that the file gives")
    .option(
      "--to <file>",
      `write it in the format of this ending: .json, ${formats.flatMap(({ extensions }) => extensions).join(", ")}`,
    )
    .option("--json", "print as JSON")
    .action(async (file: string, { format, weights, to, json }: Options) => {
      const settings = await readTopologySettings(file, { format, weights });
      const topology = parseTopology(settings, file);
      if (to !== undefined) await createFile(to, contentOf(topology, settings, to));
      const described = describeTopology(topology);
      const names = namesOf(topology.peers);
      if (json) return print(JSON.stringify({ ...described, ...(names && { names }) }));
      print(table([described.name, ""], [...rowsOf(described), ...nameRows(names)]));
      if (to !== undefined) print(`\nwritten: ${to}`);
    });
}

/** Text of a file with the topology. @throws InvalidTopology no format has its ending, or the format has no place for the graph */
function contentOf(topology: Topology, settings: unknown, file: string): string {
  const format = formatOf(file);
  if (format) return format.write(documentOf(topology));
  if (file.toLowerCase().endsWith(".json")) return prettyJson(settings);
  const endings = formats.map(({ extensions }) => extensions[0]).join(", ");
  throw new InvalidTopology(`no format has the ending of ${file}: choose .json, ${endings}`, {
    code: "unknown-graph-file-ending",
    field: "to",
  });
}

/** Most names that the table shows. */
const SHOWN_NAMES = 16;

function nameRows(names: readonly string[] | undefined): [string, string][] {
  if (!names) return [];
  const shown = names.slice(0, SHOWN_NAMES).map((name, peer) => `${peer} ${name}`);
  const others = names.length - shown.length;
  return [["names", [...shown, ...(others > 0 ? [`and ${others} more`] : [])].join("\n")]];
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
    ["rounds of a period", period ?? "every round is drawn at random"],
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
