import type { Template, TemplateFile } from "./template.js";

export interface ReadmeContent {
  readonly template: Template;
  readonly peers: number;
  readonly files: readonly TemplateFile[];
  /** Of the saved model of the first peer; undefined where no command can evaluate it. */
  readonly evaluate: string | undefined;
}

/** Where the first peer saves its model. */
export const FIRST_MODEL = "runs/model/peer-0.safetensors";

const shellBlock = (commands: readonly string[]): string => `\`\`\`sh\n${commands.join("\n")}\n\`\`\`\n`;

/** The README of a written folder: what is in it, and the commands in order. */
export function readmeOf({ template, peers, files, evaluate }: ReadmeContent): string {
  const rows = [
    { name: "experiment.json", about: "what all peers do; `murmur simulate --help all` has every field" },
    { name: "topology.json", about: "the graph of the peers; `murmur topology topology.json` describes it" },
    ...files,
    { name: "*.schema.json", about: "with which editors complete the two files" },
  ];
  const last = peers - 1;
  return `# ${peers} ${peers === 1 ? "peer" : "peers"}, one model

${template.about}

| file | |
|---|---|
${rows.map(({ name, about }) => `| \`${name}\` | ${about} |`).join("\n")}

Run the commands in this folder. \`murmur\` is the command of the npm package \`murmuration-train\`; in a project that depends on the package it is \`npx murmur\`.
${template.setup ? `\n${template.setup()}\n` : ""}${template.prepare ? `\n${shellBlock(template.prepare())}` : ""}
1. Simulate all peers in one process:

\`\`\`sh
murmur simulate topology.json experiment.json --out runs/simulated
\`\`\`

2. Run them as processes on this machine, which exchange models over TCP and end with the same models:

\`\`\`sh
murmur up topology.json experiment.json --out runs/local
\`\`\`

3. Run them one by one, as on machines of their own. \`murmur keys\` makes a key per peer and writes addresses of this machine into \`topology.json\`. With several machines
write theirs, copy the folder to each of them with its peer's key alone, and start \`murmur peer\` there with its peer's number.

\`\`\`sh
murmur keys topology.json
for id in ${peers <= 8 ? Array.from({ length: peers }, (_, id) => id).join(" ") : `$(seq 0 ${last})`}; do
  murmur peer topology.json experiment.json --id $id --out runs/peers --save runs/model &
done
wait
\`\`\`

4. See what happened, in the terminal and as a page:

\`\`\`sh
murmur inspect runs/peers
murmur inspect runs/peers --html runs/report.html
\`\`\`
${
  evaluate === undefined
    ? ""
    : `
5. Evaluate the model of peer 0 on the test examples:

${shellBlock([evaluate])}`
}`;
}
