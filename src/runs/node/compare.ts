/** Runs a comparison, several runs at a time, and keeps what each came to: a run that is there is not made again. */
import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Interrupted, PeerFailed } from "../../foundation/errors.js";
import { makeFolder } from "../../sinks/folders.js";
import { writeWhole } from "../../sinks/whole-file.js";
import type { Cell } from "../comparison.js";
import type { CellResult } from "../comparison-result.js";

export interface CompareOptions {
  readonly cells: readonly Cell[];
  /** Results are kept there, one file each. */
  readonly folder: string;
  /** Runs at a time, from 1. */
  readonly jobs: number;
  readonly signal?: AbortSignal;
  /** A run is over; `isKept` where its result was there already. */
  readonly onResult?: (result: CellResult, isKept: boolean) => void;
}

/**
 * @returns in the order of the cells
 * @throws Interrupted once the signal says so; what is over is kept
 * @throws FileProblem results cannot be written
 */
export async function compare({
  cells,
  folder,
  jobs,
  signal,
  onResult,
}: CompareOptions): Promise<CellResult[]> {
  await makeFolder(folder);
  const results: CellResult[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < cells.length && !signal?.aborted) {
      const index = next++;
      const cell = cells[index]!;
      const file = join(folder, `${cell.key.slice(0, 16)}.json`);
      const kept = await readResult(file, cell);
      const result = kept ?? (await runApart(cell, signal));
      if (!result) return;
      if (!kept) await writeWhole(file, (handle) => handle.writeFile(`${JSON.stringify(result)}\n`));
      results[index] = result;
      onResult?.(result, kept !== undefined);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, cells.length) }, work));
  if (signal?.aborted) {
    throw new Interrupted(
      `the comparison stopped after ${results.filter(Boolean).length} of ${cells.length} runs; the same command goes on`,
      { code: "comparison-interrupted" },
    );
  }
  return results;
}

/** A result of this very cell; undefined where there is none. */
async function readResult(file: string, { key, name }: Cell): Promise<CellResult | undefined> {
  try {
    const result = JSON.parse(await readFile(file, "utf8")) as CellResult;
    return result.key === key ? { ...result, name } : undefined;
  } catch {
    return undefined;
  }
}

/** Runs a cell in a process of its own. @returns undefined where the signal ended it */
function runApart(cell: Cell, signal: AbortSignal | undefined): Promise<CellResult | undefined> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("./compare-process.js", import.meta.url)), {
      ...{ stdio: ["ignore", "ignore", "pipe", "ipc"], serialization: "advanced", execArgv: [] },
    });
    let lastWords = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      lastWords = (lastWords + text).slice(-300);
    });
    const stop = () => child.kill();
    signal?.addEventListener("abort", stop, { once: true });
    let result: CellResult | undefined;
    child.once("message", (message: CellResult) => {
      result = message;
    });
    child.once("close", (code) => {
      signal?.removeEventListener("abort", stop);
      if (result || signal?.aborted) resolve(result);
      else {
        const words = lastWords.trim().split("\n").at(-1);
        reject(
          new PeerFailed(
            `the run “${cell.name}”, seed ${cell.seed}, ended with code ${code}${words ? ` (${words})` : ""}: run it alone with murmur simulate`,
            { code: "comparison-run-ended" },
          ),
        );
      }
    });
    child.send(cell);
  });
}
