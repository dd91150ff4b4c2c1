// Writes the JSON Schemas that editors complete topology files with. Run after a build: npm run schemas
import { writeFileSync } from "node:fs";
import { topologyJsonSchema } from "../dist/graphs/topology.js";

const path = new URL("../topologies/topology.schema.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(topologyJsonSchema(), null, 2)}\n`);
