/** The verdict on a run, as the command line shows it. */
import pc from "picocolors";
import type { RunVerdict } from "../observing/verdict.js";

/** Exit code of a run that came to its end and has diverged, as of one that diverged on the way. */
const DIVERGED = 2;

/** One line; its first words are coloured where the terminal has colours. */
export function verdictText({ kind, text }: RunVerdict): string {
  const colon = text.indexOf(":");
  const paint = kind === "healthy" ? pc.green : kind === "diverged" ? pc.red : pc.yellow;
  return `${paint(pc.bold(text.slice(0, colon)))}${text.slice(colon)}`;
}

/** The exit code says what the verdict does, also where the models of an earlier evaluation are kept: they may be its first. */
export function noteExit(verdict: RunVerdict | undefined): void {
  if (verdict?.kind === "diverged") process.exitCode = DIVERGED;
}
