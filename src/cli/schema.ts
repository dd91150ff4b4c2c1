import { Argument, Command } from "commander";
import { topologyJsonSchema } from "../graphs/topology.js";
import { comparisonJsonSchema } from "../runs/comparison.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { networkJsonSchema } from "../transports/simulated/settings.js";
import { print } from "./console.js";

const schemas = {
  topology: topologyJsonSchema,
  experiment: experimentJsonSchema,
  network: networkJsonSchema,
  comparison: comparisonJsonSchema,
};

export function schemaCommand(): Command {
  return new Command("schema")
    .description("print the JSON Schema of topology, experiment, network or comparison files, for editors")
    .addArgument(new Argument("<kind>", "which files").choices(Object.keys(schemas)))
    .action((kind: keyof typeof schemas) => print(JSON.stringify(schemas[kind](), null, 2)));
}
