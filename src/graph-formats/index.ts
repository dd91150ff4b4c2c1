/** Every format of graph files there is. Adding one: a file here, and a line in this list. */
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphFormat } from "../graph-format.js";
import { parseText, parseTopology, requireShortText, type Topology, within } from "../graphs/topology.js";
import { adjacencyList } from "./adjacency-list.js";
import { dot } from "./dot.js";
import { edgeList } from "./edge-list.js";
import { gml } from "./gml.js";
import { graphml } from "./graphml.js";
import { isNodeLink, nodeLink } from "./node-link.js";
import { type GraphFileOptions, settingsOf } from "./settings.js";

export type { GraphFileOptions } from "./settings.js";

/** Every graph file format; see `formatOf` for which one a file has. */
export const formats: readonly GraphFormat[] = [edgeList, adjacencyList, graphml, gml, dot, nodeLink];

/** The format that a file's ending names; undefined where none has it. */
export function formatOf(file: string): GraphFormat | undefined {
  const name = file.toLowerCase();
  return formats.find(({ extensions }) => extensions.some((extension) => name.endsWith(extension)));
}

/** The format of this name. @throws InvalidTopology there is none */
function requireFormat(name: string): GraphFormat {
  const format = formats.find((each) => each.name === name);
  if (format) return format;
  throw new InvalidTopology(
    `there is no graph format "${name}": choose one of ${formats.map((each) => each.name).join(", ")}`,
    { code: "unknown-graph-format", field: "format" },
  );
}

/**
 * A topology from the text of a file. The format is the one that is named, or that the ending names. Other files are
 * topologies in JSON, or edge lists where their ending is not .json; JSON with a list of nodes is node-link data.
 *
 * @param file what messages call it
 * @throws InvalidTopology one line with the file, the line where it is known, and what to change
 */
export async function parseTopologyFile(
  text: string,
  file: string,
  options?: GraphFileOptions,
): Promise<Topology> {
  return parseTopology((await topologySettingsOfFile(text, file, options)).settings, file);
}

/** What `parseTopologyFile` makes a topology from, and whether it is the content of a topology file. */
export async function topologySettingsOfFile(
  text: string,
  file: string,
  options: GraphFileOptions = {},
): Promise<{ readonly settings: unknown; readonly isTopologyFile: boolean }> {
  requireShortText(text, file);
  const named = options.format === undefined ? formatOf(file) : requireFormat(options.format);
  const json = named || !file.toLowerCase().endsWith(".json") ? undefined : parseText(text, file);
  if (json !== undefined && !isNodeLink(json)) {
    return { settings: options.weights === false ? withoutWeights(json) : json, isTopologyFile: true };
  }
  const format = named ?? (json === undefined ? edgeList : nodeLink);
  try {
    return {
      settings: settingsOf(await format.read(text.replace(/^\uFEFF/, "")), file, options),
      isTopologyFile: false,
    };
  } catch (error) {
    return within(file, () => {
      throw error;
    });
  }
}

function withoutWeights(settings: unknown): unknown {
  if (typeof settings !== "object" || settings === null || !("weights" in settings)) return settings;
  const { weights: _, ...others } = settings;
  return others;
}
