import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { MAX_SECRET_FILE_BYTES } from "../src/cli/deploy-kubernetes.js";
import { parseTopology, type Topology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { networkPeers } from "../src/runs/node/network.js";
import { decodeIdentity } from "../src/transports/libp2p/identity.js";
import { endAll, murmur, startMurmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-deploy-"));
afterAll(() => {
  endAll();
  rmSync(scratch, { recursive: true });
});

const topologyFile = join(scratch, "Torus_6.json");
const graph = { kind: "torus", rows: 2, columns: 3 };
writeFileSync(topologyFile, JSON.stringify({ name: "Torus_6", graph, weights: "metropolis" }));
murmur("keys", topologyFile);
const original = parseTopology(JSON.parse(readFileSync(topologyFile, "utf8")), "original");
const keyOf = (id: number) => readFileSync(join(scratch, "Torus_6.keys", `peer-${id}.key`), "utf8");
const settings = ["--compressor", "sign", "--rounds", "9"];

function deploy(kind: string): string {
  const out = join(scratch, kind);
  const { status, stdout } = murmur("deploy", kind, topologyFile, ...settings, "--out", out);
  expect(status).toBe(0);
  expect(stdout).toMatch(new RegExp(`^npm pack --ignore-scripts --pack-destination ${out}/image `));
  return out;
}

/** The deployed files describe the same run, with an address for everybody. */
function expectSameRun(topologyText: string, experimentText: string): Topology {
  const topology = parseTopology(topologyText, "deployed");
  expect(topology.mixing).toEqual(original.mixing);
  expect(topology.peers.map(({ peerId }) => peerId)).toEqual(original.peers.map(({ peerId }) => peerId));
  for (const { id, listen } of topology.peers) {
    expect(listen).toEqual(["/ip4/0.0.0.0/tcp/4001"]);
    expect(networkPeers(topology, id)).toHaveLength(6);
  }
  expect(parseExperiment(JSON.parse(experimentText))).toEqual(
    parseExperiment({ compressor: "sign", rounds: 9 }),
  );
  return topology;
}

const ids = [0, 1, 2, 3, 4, 5];

describe("murmur deploy compose", () => {
  const out = deploy("compose");
  const compose = parse(readFileSync(join(out, "compose.yaml"), "utf8"));
  const text = (name: string) => readFileSync(join(out, name), "utf8");

  it("has a service per peer, named as its neighbours dial it, with its own number and key", () => {
    const topology = expectSameRun(text("topology.json"), text("experiment.json"));
    expect(compose.name).toBe("torus-6");
    expect(Object.keys(compose.services)).toEqual(ids.map((id) => `peer-${id}`));
    for (const id of ids) {
      const { command, volumes, secrets, build, image, expose, healthcheck } = compose.services[`peer-${id}`];
      expect(topology.peers[id]!.dial).toEqual([`/dns4/peer-${id}/tcp/4001`]);
      expect(command[0]).toBe("peer");
      const given = (option: string) => command[command.indexOf(option) + 1];
      expect(given("--id")).toBe(String(id));
      const mounts = volumes.map((volume: string) => volume.split(":"));
      // Whatever the command reads or writes is mounted.
      expect(mounts.map(([, target]: string[]) => target)).toEqual([command[1], command[2], "/runs"]);
      expect(given("--out")).toBe(`/runs/$\{RUN:-run-1}/logs`);
      expect(mounts.map(([source]: string[]) => source)).toEqual([
        ...["./topology.json", "./experiment.json", "runs"],
      ]);
      expect(secrets).toEqual([{ source: `peer-${id}-key`, target: `peer-${id}.key` }]);
      expect(given("--keys")).toBe("/run/secrets");
      const { file } = compose.secrets[`peer-${id}-key`];
      expect(text(file)).toBe(keyOf(id));
      expect(statSync(join(out, file)).mode & 0o777).toBe(0o600);
      // The image is built from a folder without keys.
      expect({ build, image }).toEqual({ build: "./image", image: expect.stringMatching(/^murmuration:/) });
      expect(healthcheck.test.at(-1)).toContain(`127.0.0.1:${given("--metrics")}/metrics`);
      expect([...expose, given("--metrics-host")]).toEqual([given("--metrics"), "0.0.0.0"]);
    }
    expect(readdirSync(join(out, "image"))).toEqual(["Dockerfile", "files"]);
    expect(text("compose.yaml") + text("topology.json")).not.toContain(keyOf(0).trim());
  });

  it("builds its image from the package", () => {
    const { name, version, bin } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    );
    expect(text("image/Dockerfile")).toContain(`COPY ${name}-${version}.tgz`);
    expect(text("image/Dockerfile")).toContain(
      `ENTRYPOINT ["/app/node_modules/.bin/${Object.keys(bin)[0]}"]`,
    );
  });

  it("has commands that run, may be started again, and leave logs and models", async () => {
    const pair = join(scratch, "pair.json");
    writeFileSync(pair, JSON.stringify({ graph: { kind: "complete", peers: 2 } }));
    murmur("keys", pair);
    const folder = join(scratch, "pair");
    const quick = ["--trainer", "quadratic", "--rounds", "3", "--evaluate-every", "0"];
    const { status } = murmur("deploy", "compose", pair, ...quick, "--save", "--out", folder);
    expect(status).toBe(0);
    const { services } = parse(readFileSync(join(folder, "compose.yaml"), "utf8"));
    // What containers would have: places, names of hosts, and ports of their own.
    const deployed = JSON.parse(readFileSync(join(folder, "topology.json"), "utf8"));
    const addresses = await freeLoopbackAddresses(2);
    for (const [id, peer] of deployed.peers.entries()) peer.listen = peer.dial = [addresses[id]];
    writeFileSync(join(folder, "topology.json"), JSON.stringify(deployed));
    const here = (argument: string) =>
      argument
        .replace("/run/murmur/", `${folder}/`)
        .replace("/run/secrets", join(folder, "secrets"))
        .replace(/\/runs\/\$\{RUN:-(.*)\}/, `${folder}/runs/$1`)
        .replace(/^9400$/, "0");
    const start = () =>
      Promise.all([0, 1].map((id) => startMurmur(...services[`peer-${id}`].command.map(here)).finished));
    for (const time of ["first", "second"]) {
      const ends = await start();
      expect({ time, status: ends.map((end) => end.status) }).toEqual({ time, status: [0, 0] });
      expect(ends[0]!.stderr).toMatch(/metrics: http:\/\/0\.0\.0\.0:\d+\/metrics/);
    }
    const left = (name: string) => readdirSync(join(folder, "runs/run-1", name)).sort();
    expect(left("logs")).toEqual(["peer-0.jsonl", "peer-1.jsonl"]);
    expect(left("models")).toEqual(["peer-0.safetensors", "peer-1.safetensors"]);
    expect(murmur("inspect", join(folder, "runs/run-1/logs"), "--json").status).toBe(0);
  });
});

const documentsIn = (file: string) =>
  parseAllDocuments(readFileSync(file, "utf8")).map((document) => document.toJS());

describe("murmur deploy kubernetes", () => {
  const out = deploy("kubernetes");
  const documents = documentsIn(join(out, "murmuration.yaml"));
  const of = (kind: string) => documents.find((each) => each.kind === kind);
  const secrets = documentsIn(join(out, "keys.yaml"));
  const job = of("Job");
  const pod = job.spec.template.spec;
  const [container] = pod.containers;

  it("has a pod per peer, found by its name under a headless service before it is ready", () => {
    const service = of("Service");
    expect(service.spec).toMatchObject({ clusterIP: "None", publishNotReadyAddresses: true });
    expect(service.spec.selector).toEqual(job.spec.template.metadata.labels);
    expect(job.spec).toMatchObject({ completionMode: "Indexed", completions: 6, parallelism: 6 });
    expect(pod.subdomain).toBe(service.metadata.name);
    const { data, metadata } = of("ConfigMap");
    const topology = expectSameRun(data["topology.json"], data["experiment.json"]);
    for (const id of ids) {
      const host = `${job.metadata.name}-${id}.${service.metadata.name}`;
      expect(topology.peers[id]!.dial).toEqual([`/dns4/${host}/tcp/4001`]);
    }
    expect(container.args[container.args.indexOf("--id") + 1]).toBe(`$(${container.env[0].name})`);
    expect(pod.volumes[0]).toEqual({ name: "settings", configMap: { name: metadata.name } });
  });

  it("has a Secret per peer, and each container sees that of its index alone", () => {
    const { projected } = pod.volumes.find(({ name }: { name: string }) => name === "peers");
    const mount = container.volumeMounts.find(({ name }: { name: string }) => name === "peers");
    expect(mount).toEqual({
      ...{ name: "peers", mountPath: "/run/secrets", subPathExpr: `$(${container.env[0].name})` },
      readOnly: true,
    });
    expect(projected.sources).toHaveLength(6);
    for (const id of ids) {
      const { name, items } = projected.sources[id].secret;
      expect(items).toEqual([{ key: "key", path: `${id}/peer-${id}.key` }]);
      expect(secrets[id].metadata.name).toBe(name);
      expect(decodeIdentity(secrets[id].stringData.key).peerId).toBe(original.peers[id]!.peerId);
    }
    expect(statSync(join(out, "keys.yaml")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(out, "murmuration.yaml"), "utf8")).not.toContain(keyOf(0).trim());
  });

  it("keeps what a run leaves in one volume, which another pod can read", () => {
    const claim = of("PersistentVolumeClaim").metadata.name;
    const [fetcher] = documentsIn(join(out, "fetch.yaml"));
    for (const { volumes } of [pod, fetcher.spec]) {
      expect(volumes).toContainEqual({ name: "runs", persistentVolumeClaim: { claimName: claim } });
    }
    // The service would count a pod with the run's labels as a peer.
    expect(fetcher.metadata).not.toHaveProperty("labels");
  });

  it("has limits, a port for metrics and probes of it", () => {
    const { args, ports, resources, livenessProbe, startupProbe } = container;
    expect(resources.limits).toEqual({ cpu: "1", memory: "1Gi" });
    const port = ports.find(({ name }: { name: string }) => name === livenessProbe.httpGet.port);
    expect(String(port.containerPort)).toBe(args[args.indexOf("--metrics") + 1]);
    expect(args[args.indexOf("--metrics-host") + 1]).toBe("0.0.0.0");
    expect(startupProbe.httpGet).toEqual(livenessProbe.httpGet);
    expect(job.spec.template.metadata.annotations["prometheus.io/port"]).toBe(String(port.containerPort));
  });
});

describe("murmur deploy of a run with files", () => {
  const file = (name: string, content: string) => {
    writeFileSync(join(scratch, name), content);
    return join(scratch, name);
  };
  const rows = "x,y\n1,cat\n2,dog\n";
  const large = `${rows}${"1,cat\n".repeat(MAX_SECRET_FILE_BYTES / 6)}`;
  const own = join(scratch, "own.json");
  writeFileSync(
    own,
    JSON.stringify({
      graph: { kind: "ring", peers: 4 },
      peers: [
        { id: 0, data: file("zero.csv", rows).split("/").at(-1) },
        { id: 1, data: { path: file("one.csv", rows), label: "y" } },
        { id: 2, data: "nowhere.csv" },
        { id: 3, data: file("three.csv", large) },
      ],
    }),
  );
  murmur("keys", own);
  const model = file("model.mjs", "export const createModel = () => undefined;");
  const args = ["--data", "csv", "--split", "own", "--model", "module", "--model.path", model];

  it("ships what all peers need in the image, and a peer's own data to it alone", () => {
    const out = join(scratch, "with-files");
    const { status, stderr } = murmur(
      "deploy",
      "compose",
      own,
      ...args,
      "--allow-different-data",
      "--out",
      out,
    );
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /warning: not shipped: data.path of peer 2: there is no .*nowhere.csv here; mount it/,
    );
    const { model: deployed } = JSON.parse(readFileSync(join(out, "experiment.json"), "utf8"));
    expect(deployed.path).toBe("/app/files/0-model.mjs");
    expect(readFileSync(join(out, "image/Dockerfile"), "utf8")).toContain("COPY files /app/files\n");
    expect(readdirSync(join(out, "image/files"))).toEqual(["0-model.mjs"]);
    const { services } = parse(readFileSync(join(out, "compose.yaml"), "utf8"));
    const { peers } = JSON.parse(readFileSync(join(out, "topology.json"), "utf8"));
    for (const id of [0, 1, 3]) {
      expect(services[`peer-${id}`].volumes).toContain(`./own/peer-${id}:/run/secrets/own:ro`);
      expect(services[`peer-${id}`].command).toContain("--allow-different-data");
      expect(readdirSync(join(out, `own/peer-${id}`))).toEqual(["path.csv"]);
      expect(peers[id].data.path).toBe("/run/secrets/own/path.csv");
    }
    expect(statSync(join(out, "own/peer-0")).mode & 0o777).toBe(0o700);
    expect(peers[1].data.label).toBe("y");
    expect(JSON.stringify(peers)).not.toMatch(/zero|one|three/);
    expect(services["peer-2"].volumes.join()).not.toContain("own");
  });

  it("puts small files into the peer's Secret, and names the others", () => {
    const out = join(scratch, "with-files-kubernetes");
    const { status, stderr } = murmur("deploy", "kubernetes", own, ...args, "--out", out);
    expect(status).toBe(0);
    expect(stderr).toMatch(/not shipped: .*three.csv of peer 3: a Secret cannot hold it; mount it at/);
    const secrets = documentsIn(join(out, "keys.yaml"));
    const held = secrets.map(({ data }) => data && Buffer.from(data["path.csv"], "base64").toString());
    expect(held).toEqual([rows, rows, undefined, undefined]);
  });

  it("names a program that it cannot ship", () => {
    const out = join(scratch, "program");
    const trainer = ["--trainer", "process", "--trainer.command", '["python3","train.py"]'];
    const { stderr, status } = murmur("deploy", "compose", topologyFile, ...trainer, "--out", out);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/not shipped: trainer.command \(python3 train.py\): add the program/),
    });
  });
});

describe("murmur deploy, given something it cannot use", () => {
  it("replaces an earlier deployment with --force, and nothing else", () => {
    const out = join(scratch, "full");
    const write = (kind: string, ...more: string[]) =>
      murmur("deploy", kind, topologyFile, "--out", out, ...more);
    expect(write("compose").status).toBe(0);
    const names = readdirSync(out);
    const again = write("compose");
    expect(again.status).toBe(2);
    expect(again.stderr).toMatch(
      /^error: .*full is not empty: .*earlier deployment; replace that with --force.*\n$/,
    );
    expect(readdirSync(out)).toEqual(names);
    writeFileSync(join(out, "notes.txt"), "mine");
    expect(write("kubernetes", "--force").status).toBe(0);
    expect(readdirSync(out).sort()).toEqual([
      ...["fetch.yaml", "image", "keys.yaml", "murmuration.yaml", "notes.txt"],
    ]);

    rmSync(join(out, "image"), { recursive: true });
    const other = write("compose", "--force");
    expect(other.stderr).toMatch(/^error: .*full is not empty: name a new one with --out\n$/);
  });

  it.each([
    ["--cpus", "0"],
    ["--cpus", "many"],
    ["--memory", "1GB"],
    ["--run", "../elsewhere"],
  ])("refuses %s %s in one line", (option, value) => {
    const { status, stderr } = murmur("deploy", "compose", topologyFile, option, value, "--out", scratch);
    expect(status).toBe(2);
    expect(stderr).toMatch(new RegExp(`^error: option '${option} .*' argument '.*' is invalid. must .*\n`));
  });

  it("asks for keys", () => {
    const plain = join(scratch, "plain.json");
    writeFileSync(plain, JSON.stringify({ graph }));
    const { status, stderr } = murmur("deploy", "kubernetes", plain, "--out", join(scratch, "none"));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .*murmur keys.*\n$/);
  });
});

/** Another interpreter, with `pip install kubernetes-validate compose-spec`: MURMUR_PYTHON=…/bin/python */
const python = process.env.MURMUR_PYTHON ?? "python3";

/** The output is checked with schemas where Python has them: `program` gets the paths of the files. */
function validated(
  module: string,
  program: string,
  files: readonly string[],
  skip: (why: string) => void,
): void {
  if (spawnSync(python, ["-c", `import ${module}`]).status !== 0) {
    skip(`${python} has no ${module}: pip install kubernetes-validate compose-spec`);
    return;
  }
  const { status, stdout, stderr } = spawnSync(python, ["-c", program, ...files], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout.trim().split("\n")).toHaveLength(files.length);
}

describe("published schemas", () => {
  it("Kubernetes takes every object, without unknown fields", ({ skip }) => {
    const out = join(scratch, "kubernetes");
    const program = `
import sys, yaml, kubernetes_validate
for path in sys.argv[1:]:
    for each in yaml.safe_load_all(open(path)):
        kubernetes_validate.validate(each, "1.30", strict=True)
    print(path)`;
    const files = ["murmuration.yaml", "keys.yaml", "fetch.yaml"].map((name) => join(out, name));
    validated("kubernetes_validate", program, files, skip);
  });

  it("the Compose specification takes compose.yaml", ({ skip }) => {
    const program = `
import sys, compose_spec
for path in sys.argv[1:]:
    compose_spec.PyCompose.from_yaml(open(path).read()).validate()
    print(path)`;
    validated("compose_spec", program, [join(scratch, "compose", "compose.yaml")], skip);
  });
});
