import { Argument, Command } from "commander";
import { topologyJsonSchema } from "../graphs/topology.js";
import { experimentJsonSchema } from "../runs/experiment.js";
import { print } from "./console.js";

const schemas = { topology: topologyJsonSchema, experiment: experimentJsonSchema };

export function schemaCommand(): Command {
  return new Command("schema")
    .description("print the JSON Schema of topology or experiment files, for editors")
    .addArgument(new Argument("<kind>", "which files").choices(Object.keys(schemas)))
    .action((kind: keyof typeof schemas) => print(JSON.stringify(schemas[kind](), null, 2)));
}
