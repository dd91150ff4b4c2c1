import { stringify } from "yaml";
import { type Deployment, type DeploymentFile, PORT, topologyContent, WHERE } from "./deployment.js";
import { prettyJson } from "./files.js";

/** What the objects of one run call each other. */
interface Names {
  pod(id: number): string;
  /** A key in the Secret. */
  item(id: number): string;
  readonly labels: Readonly<Record<string, string>>;
  metadata(suffix?: string): object;
}

function namesOf(name: string): Names {
  const labels = { "app.kubernetes.io/name": "murmuration", "app.kubernetes.io/instance": name };
  return {
    pod: (id) => `${name}-${id}`,
    item: (id) => `peer-${id}.key`,
    labels,
    metadata: (suffix = "") => ({ name: `${name}${suffix}`, labels }),
  };
}

/**
 * A StatefulSet whose pod i is peer i, found by its name under a headless service. All keys are in one Secret,
 * and each pod mounts the folder in it that bears its own name.
 */
export function kubernetesFiles(deployment: Deployment): DeploymentFile[] {
  const names = namesOf(deployment.name);
  const objects = [service(names), settings(deployment, names), statefulSet(deployment, names)];
  return [
    { path: "murmuration.yaml", content: objects.map((each) => stringify(each)).join("---\n") },
    { path: "keys.yaml", content: stringify(secret(deployment, names)), isSecret: true },
  ];
}

function service({ labels, metadata }: Names): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(),
    spec: {
      clusterIP: "None",
      // Peers find each other before any of them is ready.
      publishNotReadyAddresses: true,
      selector: labels,
      ports: [{ name: "libp2p", port: PORT }],
    },
  };
}

function settings(deployment: Deployment, { pod, metadata }: Names): object {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata("-settings"),
    data: {
      "topology.json": topologyContent(deployment, (id) => `${pod(id)}.${deployment.name}`),
      "experiment.json": prettyJson(deployment.experiment),
    },
  };
}

function statefulSet({ name, image, topology }: Deployment, { pod, item, labels, metadata }: Names): object {
  const items = topology.peers.map(({ id }) => ({ key: item(id), path: `${pod(id)}/${item(id)}` }));
  const container = {
    name: "peer",
    image,
    command: ["sh", "-c", script()],
    env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
    ports: [{ name: "libp2p", containerPort: PORT }],
    volumeMounts: [
      { name: "settings", mountPath: "/run/murmur", readOnly: true },
      { name: "keys", mountPath: WHERE.keys, subPathExpr: "$(POD_NAME)", readOnly: true },
      { name: "logs", mountPath: WHERE.logs },
    ],
  };
  const pods = {
    terminationGracePeriodSeconds: 30,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
    containers: [container],
    volumes: [
      { name: "settings", configMap: { name: `${name}-settings` } },
      { name: "keys", secret: { secretName: `${name}-keys`, defaultMode: 0o440, items } },
    ],
  };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadata(),
    spec: {
      serviceName: name,
      replicas: topology.peers.length,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: pods },
      volumeClaimTemplates: [
        {
          metadata: { name: "logs" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
  };
}

/** What a pod runs. A StatefulSet starts again whatever ends; a peer whose run is over waits to be deleted. */
function script(): string {
  const run = [
    "murmur peer",
    WHERE.topology,
    WHERE.experiment,
    '--id "$(echo "$POD_NAME" | sed "s/.*-//")"',
    `--keys ${WHERE.keys}`,
    // A pod that starts again finds its earlier logs.
    `--out "${WHERE.logs}/$(date -u +%Y%m%dT%H%M%SZ)"`,
  ].join(" ");
  return [
    'trap \'kill -TERM "$child"; wait "$child"; exit\' TERM',
    `${run} & child=$!`,
    'wait "$child" || exit',
    "sleep infinity & child=$!",
    'wait "$child"',
  ].join("\n");
}

function secret({ keys }: Deployment, { item, metadata }: Names): object {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadata("-keys"),
    type: "Opaque",
    stringData: Object.fromEntries(keys.map((content, id) => [item(id), content])),
  };
}
