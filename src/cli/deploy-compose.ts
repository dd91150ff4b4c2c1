import {
  type Deployment,
  METRICS_PORT,
  peerArguments,
  topologyContent,
  WHERE,
  type Written,
  yaml,
} from "./deployment.js";
import { prettyJson } from "./files.js";

/** How often a peer that fails is started again; it goes on from its checkpoints. */
const RESTARTS = 5;

/** One service per peer, whose key and own data are the only ones that it gets. */
export function composeFiles(deployment: Deployment): Written {
  const { topology, experiment, keys, ownFiles, run } = deployment;
  const services = topology.peers.map(({ id }) => [serviceName(id), service(deployment, id)] as const);
  const compose = {
    name: deployment.name,
    services: Object.fromEntries(services),
    secrets: Object.fromEntries(
      topology.peers.map(({ id }) => [secretName(id), { file: `./secrets/peer-${id}.key` }]),
    ),
    volumes: { runs: {} },
  };
  return {
    files: [
      { path: "compose.yaml", content: yaml(compose) },
      { path: "topology.json", content: topologyContent(deployment, serviceName) },
      { path: "experiment.json", content: prettyJson(experiment) },
      ...keys.map((content, id) => ({ path: `secrets/peer-${id}.key`, content, isSecret: true })),
    ],
    copies: ownFiles.map(({ peer, from, name }) => ({
      from,
      path: `own/peer-${peer}/${name}`,
      isSecret: true,
    })),
    notShipped: [],
    steps: (folder) => [
      `docker compose --project-directory ${folder} up --build`,
      "# started again, peers go on from their checkpoints; a new run is RUN=another-name docker compose … up",
      `docker compose --project-directory ${folder} cp ${serviceName(0)}:${WHERE.runs}/${run} ${run}`,
      `murmur inspect ${run}/logs`,
    ],
  };
}

const serviceName = (id: number) => `peer-${id}`;
const secretName = (id: number) => `peer-${id}-key`;

function service(deployment: Deployment, id: number): object {
  const { image, ownFiles, limits, run } = deployment;
  const hasOwn = ownFiles.some(({ peer }) => peer === id);
  return {
    image,
    build: "./image",
    // Secrets are files of whoever wrote them, readable by nobody else.
    user: `${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`,
    command: peerArguments(deployment, String(id), `\${RUN:-${run}}`),
    volumes: [
      `./topology.json:${WHERE.topology}:ro`,
      `./experiment.json:${WHERE.experiment}:ro`,
      ...(hasOwn ? [`./own/peer-${id}:${WHERE.own}:ro`] : []),
      `runs:${WHERE.runs}`,
    ],
    secrets: [{ source: secretName(id), target: `peer-${id}.key` }],
    expose: [String(METRICS_PORT)],
    healthcheck: {
      test: ["CMD", "node", "-e", healthCheck()],
      ...{ interval: "30s", timeout: "20s", retries: 10, start_period: "60s" },
    },
    deploy: {
      resources: { limits: { cpus: String(limits.cpus), memory: composeMemory(limits.memory) } },
      restart_policy: { condition: "on-failure", max_attempts: RESTARTS },
    },
    cap_drop: ["ALL"],
    security_opt: ["no-new-privileges:true"],
    stop_grace_period: "30s",
  };
}

function healthCheck(): string {
  return `fetch("http://127.0.0.1:${METRICS_PORT}/metrics").then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`;
}

/** `512Mi` of Kubernetes is `512m` here. */
function composeMemory(memory: string): string {
  return memory.replace(/([KMG])i$/, (_, unit: string) => unit.toLowerCase());
}
