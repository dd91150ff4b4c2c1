import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { COMPUTED, reachedFrom, readSource } from "./support/imports.js";

const source = new URL("../src", import.meta.url).pathname;
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.startsWith("kernels/assembly"))
  .map((name) => ({ name, text: withoutComments(readFileSync(join(source, name), "utf8")) }));

/** Block comments may hold examples, which print and import what they like. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "");
}

/** What a file imports, statically or not. */
const importsOf = (text: string) =>
  [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g), ...text.matchAll(/^import "([^"]+)"/gm)].map(
    (match) => match[1]!,
  );

/** Folders at the edge, which know the machine they run on. Everything else is the core. */
const EDGE =
  /^((node|threads\/(node|worker))\.ts$|(cli|runs\/node|sinks|inspect|datasets|trainers|models|backends|transports\/libp2p)(\/|$))/;

function offenders(
  isInside: (name: string) => boolean,
  isForbidden: (specifier: string) => boolean,
): string[] {
  return files
    .filter(({ name }) => !isInside(name))
    .flatMap(({ name, text }) =>
      importsOf(text)
        .filter(isForbidden)
        .map((specifier) => `${name} imports ${specifier}`),
    );
}

describe("the core runs in a browser", () => {
  /** Packages without Node in them that every program with the core loads. */
  const CORE_PACKAGES = /^(zod|ml-matrix|fastest-levenshtein|@noble\/hashes\/sha2\.js)$/;
  /** Packages without Node in them that are loaded when something needs them. */
  const LATER_PACKAGES =
    /^(@tensorflow\/tfjs-(core|layers|backend-wasm|backend-cpu)|csv-parse\/sync|jpeg-js|saxes)$/;
  /** What is loaded in Node alone, and by which functions' files. */
  const NODE_ALONE: Readonly<Record<string, readonly string[]>> = {
    "backends/installed.ts": ["node:module"],
    "backends/tensorflow.ts": ["node:fs", "node:path", "node:util"],
    "backends/webgpu.ts": [COMPUTED, "node:fs"],
    "datasets/files.ts": ["node:fs/promises", "node:zlib"],
    "datasets/picture.ts": ["@cwasm/webp", "bmp-ts", "pngjs"],
    "datasets/user-module.ts": ["node:fs", "node:path", "node:url", COMPUTED],
    "trainers/layers-threads.ts": ["node:os", "node:worker_threads"],
    "trainers/process-child.ts": ["node:child_process"],
    "trainers/process-parent.ts": ["node:net"],
    "trainers/process-vectors.ts": ["node:fs", "node:fs/promises", "node:os", "node:path"],
  };

  /** Chains from index.ts to what a browser does not have. */
  function needsOfNode(read?: (name: string) => string): string[] {
    const atOnce = reachedFrom("index.ts", false, read).filter(
      ({ specifier, isDynamic }) => !isDynamic && !CORE_PACKAGES.test(specifier),
    );
    const later = reachedFrom("index.ts", true, read).filter(
      ({ specifier, isDynamic, chain }) =>
        !CORE_PACKAGES.test(specifier) &&
        !LATER_PACKAGES.test(specifier) &&
        !(isDynamic && NODE_ALONE[chain.at(-1)!]?.includes(specifier)),
    );
    return [
      ...new Set([...atOnce, ...later].map(({ chain, specifier }) => [...chain, specifier].join(" → "))),
    ];
  }

  /** The sources with a line more at the head of one file. */
  const withLine = (file: string, line: string) => (name: string) =>
    name === file ? `${line}\n${readSource(name)}` : readSource(name);

  it("needs nothing of Node, through any chain of imports", () => {
    expect(needsOfNode()).toEqual([]);
  });

  const farAway = "index.ts → compressors/index.ts → compressors/adaptive-random.ts → compressors/ranges.ts";
  it.each([
    ['import "node:os";', `${farAway} → node:os`],
    ['export * from "node:os";', `${farAway} → node:os`],
    ['import { type A, b } from "ws";', `${farAway} → ws`],
    ['import * as tf from "@tensorflow/tfjs-core";', `${farAway} → @tensorflow/tfjs-core`],
    ['const os = () => import("node:os");', `${farAway} → node:os`],
    ["const any = (name) => import(name);", `${farAway} → ${COMPUTED}`],
  ])("%s three files away is found, with the way to it", (line, chain) => {
    expect(needsOfNode(withLine("compressors/ranges.ts", line))).toEqual([chain]);
  });

  it("is not kept from it by types", () => {
    const types = 'import type { Server } from "node:http"; export type { Socket } from "node:net";';
    expect(needsOfNode(withLine("compressors/ranges.ts", types))).toEqual([]);
  });

  it("has for bundlers the list of all that they leave out", () => {
    const { browser } = JSON.parse(readFileSync(join(source, "../package.json"), "utf8"));
    const alone = new Set(Object.values(NODE_ALONE).flat());
    alone.delete(COMPUTED);
    expect(browser).toEqual(Object.fromEntries([...alone].map((specifier) => [specifier, false])));
    // Each of them is there for a reason.
    const reached = reachedFrom("index.ts", true).map(
      ({ chain, specifier }) => `${chain.at(-1)} ${specifier}`,
    );
    for (const [file, specifiers] of Object.entries(NODE_ALONE)) {
      for (const specifier of specifiers) expect(reached).toContain(`${file} ${specifier}`);
    }
  });
});

describe("the walls between rooms", () => {
  it("only trainers, models and backends import tfjs", () => {
    const inside = /^(trainers|models|backends)\/|^(model|loss)\.ts$/;
    expect(
      offenders(
        (name) => inside.test(name),
        (specifier) => specifier.startsWith("@tensorflow/"),
      ),
    ).toEqual([]);
  });

  it("only the libp2p transport and the command line import libp2p", () => {
    const inside = /^(transports\/libp2p|cli|runs\/node)\//;
    const isLibp2p = (specifier: string) =>
      /^(libp2p|@libp2p\/|@chainsafe\/|@multiformats\/)/.test(specifier);
    expect(offenders((name) => inside.test(name), isLibp2p)).toEqual([]);
  });

  it("nothing but an algorithm's own folder knows it by name", () => {
    const named = Object.keys(algorithms).map((name) => `["'\`]${name}["'\`]|algorithms\\.${name}\\b`);
    const pattern = new RegExp(named.join("|"));
    // The demo is a list of experiments, which name their algorithms as every experiment does.
    const users = files.filter(
      ({ name, text }) => !/^algorithms\/|^cli\/demo\.ts$/.test(name) && pattern.test(text),
    );
    expect(users.map(({ name }) => name)).toEqual([]);
  });

  it("only the command line writes to the console", () => {
    const writers = files.filter(
      ({ name, text }) => !name.startsWith("cli/") && /\bconsole\.|process\.std(out|err)/.test(text),
    );
    expect(writers.map(({ name }) => name)).toEqual([]);
  });

  it("transports take time from their clock only", () => {
    const timed = /performance\.now|Date\.now|setTimeout|setInterval|AbortSignal\.timeout/;
    const users = files.filter(({ name, text }) => name.startsWith("transports/") && timed.test(text));
    expect(users.map(({ name }) => name)).toEqual([]);
  });

  it("nothing random or timed is ambient in the core", () => {
    const ambient = /Math\.random|Date\.now|new Date\(|performance\.now|setTimeout|setInterval|crypto\./;
    const users = files.filter(
      ({ name, text }) => !EDGE.test(name) && name !== "foundation/clock.ts" && ambient.test(text),
    );
    expect(users.map(({ name }) => name)).toEqual([]);
  });
});
