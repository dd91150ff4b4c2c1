/**
 * A folder to start from, as `murmur init` writes it. A new template is a file here and a line in `index.ts`.
 */
export interface Template {
  /** The name that users write. */
  readonly name: string;
  /** What learns from what, as a sentence. */
  readonly about: string;
  /** Peers where the user gives no number. */
  readonly peers: number;
  /** Most peers that the examples in its files are enough for; the split decides where left out. */
  readonly mostPeers?: number;
  /** Fields of the experiment, for people to change; everything else has its default. */
  readonly experiment: Readonly<Record<string, unknown>>;
  /** What the topology says of a peer; nothing where left out. */
  peer?(id: number): { readonly id: number };
  /** Files besides the topology, the experiment, their schemas and the README. */
  files?(peers: number): Promise<readonly TemplateFile[]>;
  /** What the README says before its first command and those of `prepare`, in Markdown. */
  setup?(): string;
  /** Shell commands that come before all others, in each terminal. */
  prepare?(): readonly string[];
  /** Command that evaluates a saved model; `murmur evaluate` where left out. */
  evaluate?(model: string): string;
}

export interface TemplateFile {
  /** Path in the folder. */
  readonly name: string;
  /** What it is for: a clause in the README's table. */
  readonly about: string;
  readonly content: string;
}
