// Writes the JSON Schemas that editors complete files with. Run after a build: npm run schemas
import { writeFileSync } from "node:fs";
import { topologyJsonSchema } from "../dist/graphs/topology.js";
import { networkJsonSchema } from "../dist/transports/simulated/settings.js";

const schemas = {
  "topologies/topology.schema.json": topologyJsonSchema(),
  "networks/network.schema.json": networkJsonSchema(),
};
for (const [path, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`../${path}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
