import { Command } from "commander";
import { describeTopology, type Topology } from "../topology.js";
import { numberText, print, table } from "./console.js";
import { readTopology } from "./files.js";

/** One line on a graph, for the top of other commands' output. */
export function topologyLine(topology: Topology): string {
  const { peers, edges, spectralGap } = describeTopology(topology);
  return `${topology.name}: ${peers} peers, ${edges} edges, spectral gap ${numberText(spectralGap)}`;
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
      const text = (value: unknown) => (typeof value === "number" ? numberText(value) : String(value));
      print(
        table(
          ["property", "value"],
          Object.entries(described).map(([key, value]) => [key, text(value)]),
        ),
      );
    });
}
