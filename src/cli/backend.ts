/** The backend on the command line: chosen by `--backend`, and said aloud. */
import { activeBackend } from "../backends/index.js";
import { note } from "./console.js";

/** The settings given as options, with `--backend` among those of the trainer. */
export function withBackend(
  given: Readonly<Record<string, unknown>>,
  backend: string | undefined,
): Record<string, unknown> {
  if (backend === undefined) return given;
  const { trainer } = given;
  const settings = typeof trainer === "object" ? trainer : trainer === undefined ? {} : { kind: trainer };
  return { ...given, trainer: { ...settings, backend } };
}

/** Says on stderr what computes, where anything uses tfjs, and what `auto` could not use. */
export function noteBackend(): void {
  const active = activeBackend();
  if (!active) return;
  for (const { name, reason } of active.passedOver) note(`backend ${name}: no, ${reason}`);
  note(`backend ${active.name}: ${active.device}`);
}
