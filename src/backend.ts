/** What computes: a tfjs backend. A process has one, chosen at start. */

/** What users write: a backend of `backends/`, or `auto` for the fastest that starts. */
export const backendNames = ["auto", "node-gpu", "node", "webgpu", "wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

/** One backend; a new one is a file in `backends/`, a line in `backends/index.ts`, and its name above. */
export interface BackendKind {
  readonly name: Exclude<BackendName, "auto">;
  /** What it is, in a few words. */
  readonly about: string;
  /** npm packages that it needs beyond this package's own dependencies. */
  readonly packages: readonly string[];
  /** What to do where it does not start, one line. */
  readonly remedy: string;
  /**
   * Loads it and makes it the one that computes. tfjs-core is loaded by then.
   *
   * @param isNamed whether it was asked for by name, and not only because it may be the fastest
   * @returns what it computes on, in a few words
   * @throws any error; its first line is shown to the user
   */
  start(isNamed: boolean): Promise<string>;
}

/** A backend that started. */
export interface ActiveBackend {
  readonly name: BackendKind["name"];
  /** What it computes on, for example "libtensorflow 2.9.1, CPU". */
  readonly device: string;
  /** Better ones that `auto` tried first, and why they did not start. */
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[];
}
