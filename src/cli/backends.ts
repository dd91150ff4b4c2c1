/** Backends on the command line: selection by `--backend`, startup message, and the doctor's output. */
import pc from "picocolors";
import { describeBackends } from "../backends/describe.js";
import { activeBackend } from "../backends/index.js";
import { note, print, table } from "./console.js";

const colours = { available: pc.green, missing: pc.yellow, broken: pc.red };

/** Prints what this machine can compute with, what is missing and how to get it. */
export async function printBackends(asJson: boolean): Promise<void> {
  const backends = await describeBackends();
  if (asJson) return print(JSON.stringify({ node: process.version, backends }));
  print(`Node ${process.version}, ${process.platform} ${process.arch}\n`);
  print("Backends, the fastest first (--backend; the default is wasm, auto takes the first available):\n");
  print(
    table(
      ["backend", "state", "what it is"],
      backends.map(({ name, state, about }) => [name, colours[state](state), about]),
    ),
  );
  print();
  for (const { name, state, detail, remedy } of backends) {
    print(`${name}: ${detail}${state === "available" ? "" : `\n  to get it: ${remedy}`}`);
  }
}

/** The settings given as options, with `--backend` and `--fast-math` among those of the trainer. */
export function withBackend(
  given: Readonly<Record<string, unknown>>,
  { backend, fastMath }: { readonly backend?: string; readonly fastMath?: boolean },
): Record<string, unknown> {
  const short = { ...(backend !== undefined && { backend }), ...(fastMath !== undefined && { fastMath }) };
  if (Object.keys(short).length === 0) return given;
  const { trainer } = given;
  const settings = typeof trainer === "object" ? trainer : trainer === undefined ? {} : { kind: trainer };
  return { ...given, trainer: { ...settings, ...short } };
}

/** Says on stderr what computes, where anything uses tfjs, and what `auto` could not use. */
export function noteBackend(active = activeBackend()): void {
  if (!active) return;
  for (const { name, reason } of active.passedOver) note(`backend ${name} unavailable: ${reason}`);
  note(`backend ${active.name}: ${active.device}`);
}
