import { statSync } from "node:fs";
import { Command, Option } from "commander";
import { oddities } from "../datasets/check.js";
import { allowDifferentData } from "../datasets/content.js";
import { InvalidTopology } from "../foundation/errors.js";
import { requirePeer, type Topology } from "../graphs/topology.js";
import { type Experiment, experimentJsonSchema } from "../runs/experiment.js";
import { isLocal } from "../runs/node/addresses.js";
import type { Fingerprint, Identity } from "../runs/node/network.js";
import { graphFingerprint } from "../runs/plan.js";
import { preparePeers } from "../runs/prepare.js";
import { printBackends } from "./backends.js";
import { note, print, warn } from "./console.js";
import { examinationLines, examinationText, works } from "./doctor-text.js";
import { readExperiment, readTopology } from "./files.js";
import { allowDifferentDataOption, peerNumber, secondsOption } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";
import { partsOf } from "./split.js";

/** How long an attempt may take. */
const DEFAULT_PATIENCE_MS = 5_000;
/** Exit code when an edge does not work, or logs show a problem. */
const FOUND_PROBLEM = 1;

interface DoctorOptions {
  readonly id?: number;
  readonly keys?: string;
  readonly allowDifferentData?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

export function doctorCommand(): Command {
  const command = new Command("doctor");
  command
    .description(
      "list usable backends; with a topology, find out which peers run and try every edge, with exit code 1 where one would not work; with the folder of a run's logs, report the problems that they show",
    )
    .argument(
      "[topology]",
      "topology file (JSON), with the peers' identities and addresses; or the folder given to --out",
    )
    .argument("[experiment]", "experiment file (JSON): compare its settings with those of peers that run")
    .option("--id <peer>", "only the edges of this peer", peerNumber)
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .addOption(allowDifferentDataOption())
    .addOption(
      new Option("--timeout <seconds>", "how long each attempt may take")
        .argParser(secondsOption)
        .default(DEFAULT_PATIENCE_MS, String(DEFAULT_PATIENCE_MS / 1000)),
    )
    .option("--json", "print every peer and every edge as JSON lines")
    .action(
      async (
        topologyFile: string | undefined,
        experimentFile: string | undefined,
        options: DoctorOptions,
      ) => {
        if (topologyFile === undefined) return printBackends(options.json === true);
        if (isFolder(topologyFile)) return examineRun(topologyFile, options.json === true);
        const topology = await readTopology(topologyFile);
        const settings = given();
        const isCompared = experimentFile !== undefined || Object.keys(settings).length > 0;
        const experiment = isCompared ? await readExperiment(experimentFile, settings) : undefined;
        if (experiment) await checkData(experiment, topology);
        // Loaded here, so that other commands do not wait for libp2p.
        const { layers } = await import("../transports/libp2p/diagnose.js");
        const identities = await findIdentities(topology, topologyFile, options);
        let fingerprint: Fingerprint = graphFingerprint(topology.mixing);
        if (experiment) {
          const ids = [[...identities.keys()][0]!];
          const { peers, dispose } = await preparePeers({ topology, experiment, ids });
          fingerprint = await peers[0]!.fingerprint();
          if (options.allowDifferentData) fingerprint = allowDifferentData(fingerprint);
          dispose();
        } else {
          note("no experiment is named: of the fingerprints only topology and version are compared");
        }

        const { examine } = await import("../runs/node/examine.js");
        const examination = await examine({
          ...{ topology, identities, only: options.id, fingerprint },
          deadlineMs: options.timeout,
        });
        for (const [a, b] of examination.untried) note(`${a} – ${b}: not tried, neither key is here`);
        const lines = options.json ? examinationLines(examination) : examinationText(examination, layers);
        print(lines.join("\n"));
        if (!works(examination)) process.exitCode = FOUND_PROBLEM;
      },
    );
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command;
}

/** Says what the peers learn from, which needs no keys. @throws InvalidData or InvalidExperiment data that cannot be used */
async function checkData(experiment: Experiment, topology: Topology): Promise<void> {
  // Other trainers have data of their own.
  if (experiment.trainer.kind !== "layers") return;
  const here = topology.peers.filter(isLocal).map(({ id }) => id);
  if (here.length === 0) return;
  const { about, held } = await partsOf(experiment, topology, here);
  const counts = held.map(({ examples }) => examples);
  note(
    `data ${about.name}: ${counts.length} peers have ${Math.min(...counts)} to ${Math.max(...counts)} training examples each`,
  );
  for (const oddity of experiment.split.kind === "own" ? [] : oddities(about)) warn(oddity);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** What the logs of a run say is wrong. */
async function examineRun(folder: string, json: boolean): Promise<void> {
  const [{ readRun }, { findingsOf, judged }] = await Promise.all([
    import("../inspect/read.js"),
    import("../inspect/findings.js"),
  ]);
  const run = readRun(folder);
  const findings = [...judged(run), ...findingsOf(run)];
  for (const finding of findings) print(json ? JSON.stringify(finding) : finding.text);
  if (findings.length === 0 && !json) print("nothing wrong");
  if (findings.length > 0) process.exitCode = FOUND_PROBLEM;
}

/** The keys that are here: that of --id, or all. */
async function findIdentities(
  topology: Topology,
  topologyFile: string,
  { id, keys }: DoctorOptions,
): Promise<Map<number, Identity>> {
  const { findIdentity, keysFolder, readIdentity } = await import("./key-files.js");
  const folder = keys ?? keysFolder(topologyFile);
  if (id !== undefined) {
    requirePeer(topology, id, topologyFile);
    return new Map([[id, await readIdentity(folder, id, warn)]]);
  }
  const identities = new Map<number, Identity>();
  for (const { id: each, peerId } of topology.peers) {
    const identity = await findIdentity(folder, each, warn);
    if (identity && identity.peerId !== peerId) {
      warn(
        `the key of peer ${each} in ${folder} does not match ${topologyFile}: use the right folder, or run \`murmur keys\``,
      );
    }
    if (identity) identities.set(each, identity);
  }
  if (identities.size === 0) {
    throw new InvalidTopology(
      `there are no keys in ${folder}: make them with \`murmur keys\`, or name the folder with --keys`,
      { code: "no-keys", field: folder },
    );
  }
  return identities;
}
