import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

/** A folder for the files of a test file, which goes with it. */
export interface Scratch {
  readonly folder: string;
  /** Writes a file under this name, with the folders above it; anything but text and bytes as JSON. @returns its path */
  file(name: string, content: unknown): string;
}

export function scratchFolder(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), "murmur-test-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  return {
    folder,
    file(name, content) {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      const isPlain = typeof content === "string" || content instanceof Uint8Array;
      writeFileSync(path, isPlain ? content : JSON.stringify(content));
      return path;
    },
  };
}
