import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Deployment,
  METRICS_PORT,
  type OwnFile,
  PORT,
  peerArguments,
  topologyContent,
  WHERE,
  type Written,
  yaml,
} from "./deployment.js";
import { prettyJson } from "./files.js";

/** Most bytes of a peer's own files in its Secret, whose limit is 1 MiB in base64 and with its key. */
export const MAX_SECRET_FILE_BYTES = 700_000;
/** How often a peer that fails is started again, on average; it goes on from its checkpoints. */
const RESTARTS = 5;
const USER = 1000;

interface Names {
  readonly labels: Readonly<Record<string, string>>;
  metadata(suffix?: string): { name: string; labels: object };
}

function namesOf(name: string): Names {
  const labels = { "app.kubernetes.io/name": "murmuration", "app.kubernetes.io/instance": name };
  return { labels, metadata: (suffix = "") => ({ name: `${name}${suffix}`, labels }) };
}

/**
 * An Indexed Job whose pod i is peer i, found by its name under a headless service. Each peer has a Secret with its key
 * and its own files; a pod's container sees only that of its own index.
 */
export function kubernetesFiles(deployment: Deployment): Written {
  const names = namesOf(deployment.name);
  const { name, image, run } = deployment;
  const tooLarge = deployment.ownFiles.filter((file) => !isSmall(file));
  const objects = [service(names), settings(deployment, names), claim(names), job(deployment, names)];
  const secrets = deployment.topology.peers.map(({ id }) => secret(deployment, names, id));
  return {
    files: [
      { path: "murmuration.yaml", content: yaml(...objects) },
      { path: "keys.yaml", content: yaml(...secrets), isSecret: true },
      { path: "fetch.yaml", content: yaml(fetcher(deployment, names)) },
    ],
    copies: [],
    notShipped: tooLarge.map(
      ({ peer, from, name }) =>
        `${from} of peer ${peer}: a Secret cannot hold it; mount it at ${WHERE.own}/${name} in the pod of index ${peer}`,
    ),
    steps: (folder) => [
      `docker build --tag ${image} ${join(folder, "image")}, and push it to where the cluster finds it`,
      `kubectl apply -f ${join(folder, "keys.yaml")} -f ${join(folder, "murmuration.yaml")}`,
      `kubectl wait --for=condition=complete --timeout=-1s job/${name}`,
      "# logs and models: a pod that mounts the volume, as all peers do (its class of storage needs ReadWriteMany)",
      `kubectl apply -f ${join(folder, "fetch.yaml")} && kubectl wait --for=condition=ready pod/${name}-fetch`,
      `kubectl cp ${name}-fetch:${WHERE.runs}/${run} ${run} && kubectl delete pod ${name}-fetch`,
      `murmur inspect ${run}/logs`,
      `# a Job cannot change: before the next run, kubectl delete job ${name}, and deploy with --force --run another-name`,
    ],
  };
}

const isSmall = ({ bytes, isFolder }: OwnFile): boolean => !isFolder && bytes <= MAX_SECRET_FILE_BYTES;
const secretName = (name: string, id: number) => `${name}-peer-${id}`;

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
      ports: [
        { name: "libp2p", port: PORT },
        { name: "metrics", port: METRICS_PORT },
      ],
    },
  };
}

function settings(deployment: Deployment, { metadata }: Names): object {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata("-settings"),
    data: {
      "topology.json": topologyContent(deployment, (id) => `${deployment.name}-${id}.${deployment.name}`),
      "experiment.json": prettyJson(deployment.experiment),
    },
  };
}

/** One volume for the logs, checkpoints and models of all peers; their files have names of their own. */
function claim({ metadata }: Names): object {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: metadata("-runs"),
    spec: { accessModes: ["ReadWriteMany"], resources: { requests: { storage: "5Gi" } } },
  };
}

const pods = {
  runAsNonRoot: true,
  ...{ runAsUser: USER, runAsGroup: USER, fsGroup: USER },
  seccompProfile: { type: "RuntimeDefault" },
};
const containers = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

function job(deployment: Deployment, { labels, metadata }: Names): object {
  const { name, topology } = deployment;
  const peers = topology.peers.length;
  const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": String(METRICS_PORT) };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: metadata(),
    spec: {
      ...{ completionMode: "Indexed", completions: peers, parallelism: peers },
      backoffLimit: RESTARTS * peers,
      template: {
        metadata: { labels, annotations },
        spec: {
          // Gives pod i the host name that its neighbours dial.
          subdomain: name,
          restartPolicy: "OnFailure",
          terminationGracePeriodSeconds: 30,
          automountServiceAccountToken: false,
          securityContext: pods,
          containers: [container(deployment)],
          volumes: [
            { name: "settings", configMap: { name: `${name}-settings` } },
            { name: "peers", projected: { defaultMode: 0o440, sources: sources(deployment) } },
            { name: "runs", persistentVolumeClaim: { claimName: `${name}-runs` } },
          ],
        },
      },
    },
  };
}

function container(deployment: Deployment): object {
  const { image, limits, run } = deployment;
  const index = "$(JOB_COMPLETION_INDEX)";
  const get = { path: "/metrics", port: "metrics" };
  return {
    name: "peer",
    image,
    args: peerArguments(deployment, index, run),
    env: [
      {
        name: "JOB_COMPLETION_INDEX",
        valueFrom: {
          fieldRef: { fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']" },
        },
      },
    ],
    ports: [
      { name: "libp2p", containerPort: PORT },
      { name: "metrics", containerPort: METRICS_PORT },
    ],
    startupProbe: { httpGet: get, periodSeconds: 5, failureThreshold: 60 },
    // A round may keep the process busy for long; only one that hangs for minutes is started again.
    livenessProbe: { httpGet: get, periodSeconds: 30, timeoutSeconds: 20, failureThreshold: 10 },
    resources: {
      requests: { cpu: String(limits.cpus), memory: limits.memory },
      limits: { cpu: String(limits.cpus), memory: limits.memory },
    },
    securityContext: containers,
    volumeMounts: [
      { name: "settings", mountPath: "/run/murmur", readOnly: true },
      { name: "peers", mountPath: WHERE.keys, subPathExpr: index, readOnly: true },
      { name: "runs", mountPath: WHERE.runs },
    ],
  };
}

/** Every peer's Secret, in a folder of its index. */
function sources({ name, topology, ownFiles }: Deployment): object[] {
  return topology.peers.map(({ id }) => ({
    secret: {
      name: secretName(name, id),
      items: [
        { key: "key", path: `${id}/peer-${id}.key` },
        ...ownFiles
          .filter((file) => file.peer === id && isSmall(file))
          .map((file) => ({ key: file.name, path: `${id}/own/${file.name}` })),
      ],
    },
  }));
}

function secret({ name, keys, ownFiles }: Deployment, { metadata }: Names, id: number): object {
  const own = ownFiles.filter((file) => file.peer === id && isSmall(file));
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { ...metadata(), name: secretName(name, id) },
    type: "Opaque",
    stringData: { key: keys[id] },
    ...(own.length > 0 && {
      data: Object.fromEntries(own.map((file) => [file.name, readFileSync(file.from).toString("base64")])),
    }),
  };
}

/** A pod that does nothing but mount the volume, so that its files can be copied. */
function fetcher({ name, image }: Deployment, { metadata }: Names): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    // Not the run's labels: the service would name this pod as a peer.
    metadata: { name: metadata("-fetch").name },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      securityContext: pods,
      containers: [
        {
          name: "fetch",
          image,
          command: ["sleep", "3600"],
          resources: { limits: { cpu: "100m", memory: "64Mi" } },
          securityContext: containers,
          volumeMounts: [{ name: "runs", mountPath: WHERE.runs }],
        },
      ],
      volumes: [{ name: "runs", persistentVolumeClaim: { claimName: `${name}-runs` } }],
    },
  };
}
