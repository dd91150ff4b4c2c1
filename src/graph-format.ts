/** Graph files of other tools: the contract of a format, and what a file of any format describes. */

/** An edge between two nodes, by their places in `nodes`. */
export interface DocumentEdge {
  readonly from: number;
  readonly to: number;
  /** A finite number; left out where the file gives no weight. */
  readonly weight?: number;
}

/** A graph as a file of any format describes it. */
export interface GraphDocument {
  readonly isDirected: boolean;
  /** The names of the nodes, all different, in the order of the file. */
  readonly nodes: readonly string[];
  /** Every edge once, ascending by `from` and `to`; on an undirected graph `from` is the lower of the two. */
  readonly edges: readonly DocumentEdge[];
}

/**
 * One format. A new format is a file in `graph-formats/` that exports one of these, and one line in
 * `graph-formats/index.ts`.
 */
export interface GraphFormat {
  /** What `--format` calls it. */
  readonly name: string;
  /** Endings of its files in lower case, with the dot; the first is the usual one. */
  readonly extensions: readonly string[];
  /**
   * @throws InvalidTopology one line with the line of the file, where it is known, and what to change. It does not
   * name the file.
   */
  read(text: string): GraphDocument | Promise<GraphDocument>;
  /** @throws InvalidTopology the format has no place for a name or for the weights */
  write(graph: GraphDocument): string;
}
