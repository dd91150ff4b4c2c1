/** GraphML (Brandes et al., 2002). A node's `name` or `label` is its name; without one, its id is. */
import type { SaxesTagPlain } from "saxes";
import { InvalidTopology } from "../foundation/errors.js";
import type { GraphDocument, GraphFormat } from "../graph-format.js";
import { fieldOf, GraphBuilder, requireShallow, weightOf } from "./builder.js";

export const graphml: GraphFormat = { name: "graphml", extensions: [".graphml"], read, write };

/** What is open while the parser goes through the file. */
interface State {
  readonly graph: GraphBuilder;
  /** Names of attributes by the id of their key. */
  readonly keys: Map<string, string>;
  depth: number;
  hasGraph: boolean;
  isInGraph: boolean;
  /** Edges wait for the end: they may come before their nodes. */
  readonly edges: { source: string; target: string; weight?: number; line: number }[];
  /** What `data` belongs to; undefined for the graph itself, and what is not of GraphML. */
  owner?: { node: number } | { edge: number };
  /** Attribute whose text is being read. */
  attribute?: string;
  text: string;
}

async function read(text: string): Promise<GraphDocument> {
  // Loaded here, so that other commands do not wait for it.
  const { SaxesParser } = await import("saxes");
  const parser = new SaxesParser({ position: true });
  const graph = new GraphBuilder();
  const state: State = {
    ...{ graph, keys: new Map(), edges: [], text: "" },
    ...{ depth: 0, hasGraph: false, isInGraph: false },
  };
  parser.on("error", ({ message }) => {
    const reason = message.replace(/^(\d+:)+\s*|\.$/g, "").replace(/\s+/g, " ");
    throw refusal(`it is not XML (${reason.slice(0, 80)})`, "correct it there", parser.line);
  });
  // Without document types there are no entities to expand.
  parser.on("doctype", () => {
    throw refusal("it has a document type", "remove <!DOCTYPE …>", parser.line);
  });
  parser.on("opentag", (tag) => open(state, tag as SaxesTagPlain, parser.line));
  parser.on("text", (part) => {
    if (state.attribute !== undefined) state.text += part;
  });
  parser.on("cdata", (part) => {
    if (state.attribute !== undefined) state.text += part;
  });
  parser.on("closetag", ({ name }) => close(state, localName(name), parser.line));
  parser.write(text).close();
  if (!state.hasGraph) throw refusal("it has no graph", "write one graph element", parser.line);
  for (const { source, target, weight, line } of state.edges) {
    graph.edge(graph.declared(source, line), graph.declared(target, line), weight, line);
  }
  return graph.build();
}

function refusal(what: string, remedy: string, line: number): InvalidTopology {
  return new InvalidTopology(`line ${line}: the GraphML cannot be read, because ${what}: ${remedy}`, {
    code: "graphml-not-read",
    field: fieldOf(line),
  });
}

const localName = (name: string): string => name.slice(name.indexOf(":") + 1);

function open(state: State, { name, attributes }: SaxesTagPlain, line: number): void {
  const { graph } = state;
  requireShallow(++state.depth, line);
  const required = (attribute: string): string => {
    const value = attributes[attribute];
    if (value !== undefined) return value;
    throw refusal(`a ${localName(name)} has no ${attribute}`, `add ${attribute}="…"`, line);
  };
  switch (localName(name)) {
    case "key":
      state.keys.set(required("id"), attributes["attr.name"] ?? "");
      return;
    case "graph":
      if (state.hasGraph) throw refusal("it has a second graph", "keep one", line);
      state.hasGraph = true;
      state.isInGraph = true;
      graph.isDirected = required("edgedefault") === "directed";
      return;
    case "hyperedge":
      throw refusal("it has a hyperedge", "write edges between two nodes", line);
    case "node":
      if (state.isInGraph) state.owner = { node: graph.declare(required("id"), line) };
      return;
    case "edge": {
      if (!state.isInGraph) return;
      const isDirected = attributes.directed ?? String(graph.isDirected);
      if (isDirected !== String(graph.isDirected))
        throw refusal("it has edges with and without direction", "write all of one sort", line);
      state.owner = { edge: state.edges.length };
      state.edges.push({ source: required("source"), target: required("target"), line });
      return;
    }
    case "data":
      state.attribute = state.keys.get(required("key")) ?? "";
      state.text = "";
  }
}

function close(state: State, name: string, line: number): void {
  state.depth--;
  if (name === "graph") state.isInGraph = false;
  if (name === "node" || name === "edge") delete state.owner;
  if (name !== "data") return;
  const { attribute, owner, text, graph } = state;
  delete state.attribute;
  if (!owner) return;
  if ("edge" in owner && attribute === "weight") state.edges[owner.edge]!.weight = weightOf(text, line);
  if ("node" in owner && (attribute === "name" || attribute === "label") && text.trim() !== "") {
    graph.label(owner.node, text.trim(), line);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => ESCAPES[sign]!);

function write({ isDirected, nodes, edges }: GraphDocument): string {
  const ids = nodes.map(escaped);
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    '  <key id="weight" for="edge" attr.name="weight" attr.type="double"/>',
    `  <graph edgedefault="${isDirected ? "directed" : "undirected"}">`,
    ...ids.map((id) => `    <node id="${id}"/>`),
    ...edges.map(({ from, to, weight }) => {
      const head = `    <edge source="${ids[from]}" target="${ids[to]}"`;
      return weight === undefined ? `${head}/>` : `${head}><data key="weight">${weight}</data></edge>`;
    }),
    "  </graph>",
    "</graphml>",
  ];
  return `${lines.join("\n")}\n`;
}
