import { stringify } from "yaml";
import { type Deployment, type DeploymentFile, topologyContent, WHERE } from "./deployment.js";
import { prettyJson } from "./files.js";

/** One service per peer, whose key is the only one it gets. */
export function composeFiles(deployment: Deployment): DeploymentFile[] {
  const { name, image, topology, experiment, keys } = deployment;
  const service = (id: number) => `peer-${id}`;
  const secret = (id: number) => `peer-${id}-key`;
  const logs = (id: number) => `peer-${id}-logs`;
  const ids = topology.peers.map(({ id }) => id);
  const compose = {
    name,
    services: Object.fromEntries(
      ids.map((id) => [
        service(id),
        {
          image,
          build: ".",
          command: [
            "peer",
            WHERE.topology,
            WHERE.experiment,
            "--id",
            String(id),
            "--keys",
            WHERE.keys,
            "--out",
            WHERE.logs,
          ],
          volumes: [
            `./topology.json:${WHERE.topology}:ro`,
            `./experiment.json:${WHERE.experiment}:ro`,
            `${logs(id)}:${WHERE.logs}`,
          ],
          secrets: [{ source: secret(id), target: `peer-${id}.key` }],
          restart: "no",
        },
      ]),
    ),
    secrets: Object.fromEntries(ids.map((id) => [secret(id), { file: `./secrets/peer-${id}.key` }])),
    volumes: Object.fromEntries(ids.map((id) => [logs(id), {}])),
  };
  return [
    { path: "compose.yaml", content: stringify(compose) },
    { path: "topology.json", content: topologyContent(deployment, service) },
    { path: "experiment.json", content: prettyJson(experiment) },
    ...keys.map((content, id) => ({ path: `secrets/peer-${id}.key`, content, isSecret: true })),
  ];
}
