import { Command } from "commander";
import pc from "picocolors";
import { describeBackends } from "../backends/describe.js";
import { print, table } from "./console.js";

const colours = { available: pc.green, missing: pc.yellow, broken: pc.red };

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("say what this machine can compute with, what is missing and how to get it")
    .option("--json", "print as JSON")
    .action(async (options: { json?: boolean }) => {
      const backends = await describeBackends();
      if (options.json) return print(JSON.stringify({ node: process.version, backends }));
      print(`Node ${process.version}, ${process.platform} ${process.arch}\n`);
      print(
        "Backends, the fastest first (--backend; the default is wasm, auto takes the first available):\n",
      );
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
    });
}
