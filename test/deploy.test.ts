import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseTopology, type Topology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { networkPeers } from "../src/runs/node/network.js";
import { decodeIdentity } from "../src/transports/libp2p/identity.js";
import { murmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-deploy-"));
afterAll(() => rmSync(scratch, { recursive: true }));

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
  expect(stdout).toContain("npm pack");
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

  it("has a service per peer, named as its neighbours dial it, with its own number, key and logs", () => {
    const topology = expectSameRun(text("topology.json"), text("experiment.json"));
    expect(compose.name).toBe("torus-6");
    expect(Object.keys(compose.services)).toEqual(ids.map((id) => `peer-${id}`));
    for (const id of ids) {
      const { command, volumes, secrets, build, image } = compose.services[`peer-${id}`];
      expect(topology.peers[id]!.dial).toEqual([`/dns4/peer-${id}/tcp/4001`]);
      expect(command[0]).toBe("peer");
      expect(command[command.indexOf("--id") + 1]).toBe(String(id));
      const mounts = volumes.map((volume: string) => volume.split(":"));
      // Whatever the command reads or writes is mounted.
      expect(mounts.map(([, target]: string[]) => target)).toEqual([command[1], command[2], command.at(-1)]);
      expect(mounts.map(([source]: string[]) => source)).toEqual([
        "./topology.json",
        "./experiment.json",
        `peer-${id}-logs`,
      ]);
      expect(compose.volumes).toHaveProperty([`peer-${id}-logs`]);
      expect(secrets).toEqual([{ source: `peer-${id}-key`, target: `peer-${id}.key` }]);
      expect(command[command.indexOf("--keys") + 1]).toBe("/run/secrets");
      const { file } = compose.secrets[`peer-${id}-key`];
      expect(text(file)).toBe(keyOf(id));
      expect(statSync(join(out, file)).mode & 0o777).toBe(0o600);
      expect({ build, image }).toEqual({ build: ".", image: expect.stringMatching(/^murmuration:/) });
    }
    expect(text("compose.yaml") + text("topology.json")).not.toContain(keyOf(0).trim());
  });

  it("builds its image from the package", () => {
    const { name, version, bin } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    );
    expect(text("Dockerfile")).toContain(`COPY ${name}-${version}.tgz`);
    expect(text("Dockerfile")).toContain(`ENTRYPOINT ["${Object.keys(bin)[0]}"]`);
  });
});

describe("murmur deploy kubernetes", () => {
  const out = deploy("kubernetes");
  const documents = parseAllDocuments(readFileSync(join(out, "murmuration.yaml"), "utf8")).map((each) =>
    each.toJS(),
  );
  const of = (kind: string) => documents.find((each) => each.kind === kind);
  const secret = parse(readFileSync(join(out, "keys.yaml"), "utf8"));
  const set = of("StatefulSet");
  const pod = set.spec.template.spec;
  const [container] = pod.containers;

  it("has a pod per peer, found by its name under a headless service before it is ready", () => {
    const service = of("Service");
    expect(service.spec).toMatchObject({ clusterIP: "None", publishNotReadyAddresses: true });
    expect(service.spec.selector).toEqual(set.spec.template.metadata.labels);
    expect(set.spec.selector.matchLabels).toEqual(set.spec.template.metadata.labels);
    expect(set.spec).toMatchObject({
      serviceName: service.metadata.name,
      replicas: 6,
      podManagementPolicy: "Parallel",
    });
    const { data, metadata } = of("ConfigMap");
    const topology = expectSameRun(data["topology.json"], data["experiment.json"]);
    for (const id of ids) {
      const host = `${set.metadata.name}-${id}.${service.metadata.name}`;
      expect(topology.peers[id]!.dial).toEqual([`/dns4/${host}/tcp/4001`]);
    }
    expect(container.ports[0].containerPort).toBe(4001);
    expect(pod.volumes[0]).toEqual({ name: "settings", configMap: { name: metadata.name } });
  });

  it("gives each pod its own key and volume, and no other key", () => {
    const { secret: mounted } = pod.volumes.find((volume: { name: string }) => volume.name === "keys");
    expect(mounted.secretName).toBe(secret.metadata.name);
    const mount = container.volumeMounts.find(({ name }: { name: string }) => name === "keys");
    expect(mount).toMatchObject({ subPathExpr: "$(POD_NAME)", readOnly: true });
    expect(container.env).toEqual([
      { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    ]);
    for (const id of ids) {
      const folder = `${set.metadata.name}-${id}/`;
      const own = mounted.items.filter(({ path }: { path: string }) => path.startsWith(folder));
      expect(own).toEqual([{ key: `peer-${id}.key`, path: `${folder}peer-${id}.key` }]);
      const text = secret.stringData[`peer-${id}.key`];
      expect(decodeIdentity(text).peerId).toBe(original.peers[id]!.peerId);
    }
    expect(statSync(join(out, "keys.yaml")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(out, "murmuration.yaml"), "utf8")).not.toContain(keyOf(0).trim());
    const [claim] = set.spec.volumeClaimTemplates;
    expect(container.volumeMounts.map(({ name }: { name: string }) => name)).toContain(claim.metadata.name);
  });

  it("starts the peer whose number the pod bears, from what is mounted", () => {
    const bin = mkdtempSync(join(scratch, "bin-"));
    const script = (name: string, body: string) => {
      writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
      chmodSync(join(bin, name), 0o755);
    };
    script("murmur", 'echo "$@"');
    script("sleep", "echo slept");
    const [shell, ...args] = container.command;
    const output = execFileSync(shell, args, {
      encoding: "utf8",
      env: { PATH: `${bin}:${process.env.PATH}`, POD_NAME: `${set.metadata.name}-4` },
    });
    const mounts = container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
    expect(mounts).toEqual(["/run/murmur", "/run/secrets", "/runs"]);
    expect(output).toMatch(
      /^peer \/run\/murmur\/topology\.json \/run\/murmur\/experiment\.json --id 4 --keys \/run\/secrets --out \/runs\/\d{8}T\d{6}Z\nslept\n$/,
    );
  });
});

describe("murmur deploy, given something it cannot use", () => {
  it("writes over nothing", () => {
    const out = join(scratch, "full");
    const write = () => murmur("deploy", "compose", topologyFile, "--out", out);
    expect(write().status).toBe(0);
    const names = readdirSync(out);
    const { status, stderr } = write();
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .*full is not empty: .*--out\n$/);
    expect(readdirSync(out)).toEqual(names);
  });

  it("asks for keys", () => {
    const plain = join(scratch, "plain.json");
    writeFileSync(plain, JSON.stringify({ graph }));
    const { status, stderr } = murmur("deploy", "kubernetes", plain, "--out", join(scratch, "none"));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .*murmur keys.*\n$/);
  });
});
