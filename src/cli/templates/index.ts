/** Every template there is. Adding one: a file here, and its name in this list. */
import { InvalidExperiment } from "../../foundation/errors.js";
import { suggestion } from "../../settings/check.js";
import { cnn } from "./cnn.js";
import { mlp } from "./mlp.js";
import { ownData } from "./own-data.js";
import { pytorch } from "./pytorch.js";
import type { Template } from "./template.js";
import { text } from "./text.js";

const all: readonly Template[] = [mlp, cnn, text, pytorch, ownData];

export const templateNames = all.map(({ name }) => name);
export const defaultTemplate = mlp;

/** @throws InvalidExperiment there is none of this name */
export function templateOf(name: string): Template {
  const found = all.find((template) => template.name === name);
  if (found) return found;
  throw new InvalidExperiment(
    `there is no template ${JSON.stringify(name)}; choose another${suggestion(name, templateNames)}`,
    { code: "unknown-template", field: "template" },
  );
}
