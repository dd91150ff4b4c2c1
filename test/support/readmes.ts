/** The code blocks of the repository's READMEs, and a folder to run them in. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { transformSync } from "esbuild";
import { newFolder } from "./runs.js";

export const root = new URL("../..", import.meta.url).pathname;

export interface Block {
  readonly readme: string;
  /** The first word after the fence; empty for plain text. */
  readonly language: string;
  /** The second word: the file that the text is, for the blocks that use it. */
  readonly file: string | undefined;
  readonly text: string;
  /** Where it begins, for messages. */
  readonly line: number;
}

/** Paths of all READMEs, from the repository's root. */
export function readmes(): string[] {
  const inside = ["src", "scripts", "test", "topologies", "networks"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  return ["README.md", ...inside.filter((name) => basename(name) === "README.md").sort()];
}

export function blocksOf(readme: string): Block[] {
  const blocks: Block[] = [];
  const text = readFileSync(join(root, readme), "utf8");
  for (const match of text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)) {
    const [language = "", file] = match[1]!.trim().split(/\s+/);
    const line = text.slice(0, match.index).split("\n").length;
    blocks.push({ readme, language, file, text: match[2]!, line });
  }
  return blocks;
}

/** The commands of a shell block, without comments and blank lines. */
export function commandsOf({ text }: Block): string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/(^|\s+)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** A README without its blocks. */
const proseOf = (readme: string) => readFileSync(join(root, readme), "utf8").replace(/^```.*?^```$/gms, "");

export function inlineCodeOf(readme: string): string[] {
  return [...proseOf(readme).matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replaceAll("\n", " "));
}

/** Paths that a README links to, from its folder. */
export function linksOf(readme: string): string[] {
  const targets = [...proseOf(readme).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)];
  return targets
    .map(([, link, image]) => link ?? image!)
    .filter((target) => !/^(https?:|#)/.test(target))
    .map((target) => target.replace(/#.*/, ""));
}

export const linesOf = (readme: string): number =>
  readFileSync(join(root, readme), "utf8").split("\n").length - 1;

export interface Workplace {
  readonly folder: string;
  write(file: string, text: string): void;
  /** Runs a shell command to its end. */
  run(command: string): Promise<{ readonly status: number | null; readonly output: string }>;
  /** Runs a command that does not end, until its output matches, then interrupts it. */
  runUntil(command: string, pattern: RegExp): Promise<string>;
  remove(): void;
}

/** A folder as a reader has it, with the package installed, `npx` for its command, and a chosen Python. */
export function createWorkplace(python: string): Workplace {
  const folder = newFolder();
  for (const name of ["topologies", "networks", "scripts", "package.json", "dist", "src", "test"]) {
    symlinkSync(join(root, name), join(folder, name));
  }
  linkModules(folder);
  const bin = join(folder, ".bin");
  const murmur = `exec "${process.execPath}" "${root}dist/cli/main.js" "$@"`;
  const programs = {
    npx: `shift\n${murmur}`,
    murmur,
    python3: `PATH="${process.env.PATH}" exec "${python}" "$@"`,
  };
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const env = {
    ...process.env,
    NO_COLOR: "1",
    MURMUR_NODE: process.execPath,
    PATH: `${bin}:${process.env.PATH}`,
    PYTHONPATH: join(root, "src/clients/python/src"),
  };
  return {
    folder,
    write(file, text) {
      const path = join(folder, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      if (file.endsWith(".ts")) {
        const { code } = transformSync(text, { loader: "ts", format: "esm" });
        writeFileSync(path.replace(/\.ts$/, ".mjs"), code);
      }
    },
    run: (command) => {
      const child = spawn("sh", ["-c", command], { cwd: folder, env });
      return new Promise((resolve) => {
        const output = gather(child);
        child.once("close", (status) => resolve({ status, output: output() }));
      });
    },
    runUntil: (command, pattern) => {
      const child = spawn("sh", ["-c", `exec ${command}`], { cwd: folder, env });
      return new Promise((resolve, reject) => {
        const output = gather(child, (text) => {
          if (pattern.test(text)) child.kill("SIGINT");
        });
        child.once("close", () =>
          pattern.test(output()) ? resolve(output()) : reject(new Error(`${command} ended: ${output()}`)),
        );
      });
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** What a process writes, stdout and stderr as they come. */
function gather(child: ChildProcessWithoutNullStreams, watch?: (output: string) => void): () => string {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      watch?.(output);
    });
  }
  return () => output;
}

/** The packages of this repository, and the repository as one of them. */
function linkModules(folder: string): void {
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  symlinkSync(root, join(modules, "murmuration-train"));
}

/** The first of so many ports in a row that are free on loopback. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    const first = await tryPort(0);
    const others = Array.from({ length: count }, (_, k) => first! + k);
    if ((await Promise.all(others.map(tryPort))).every((port) => port !== undefined)) return first!;
  }
}

function tryPort(port: number): Promise<number | undefined> {
  if (port > 65_535) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const { port: taken } = server.address() as { port: number };
      server.close(() => resolve(taken));
    });
  });
}
