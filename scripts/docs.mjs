// Writes the API reference of every package entry. Fails where an exported symbol has no doc comment, or a comment links
// to nothing.
//
//   npm run docs [-- --out FOLDER] [--check]
//
// `--check` writes nothing. TypeDoc needs the JavaScript API of TypeScript 6, which TypeScript 7 does not have:
// `typescript` is resolved to it here.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    out: { type: "string", default: join(root, "runs", "docs") },
    check: { type: "boolean", default: false },
  },
});
const hook = `export const resolve = (name, context, next) =>
  next(name === "typescript" ? "typescript-6" : name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
const { Application, TSConfigReader } = await import("typedoc");

/** The source of every entry that programs import, by what they import. */
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entries = new Map(
  Object.entries(manifest.exports)
    .filter(([, { types }]) => types)
    .map(([path, { types }]) => [
      manifest.name + path.slice(1),
      join(root, types.replace("./dist/", "src/").replace(/\.d\.ts$/, ".ts")),
    ]),
);

const app = await Application.bootstrap(
  {
    entryPoints: [...entries.values()],
    tsconfig: join(root, "tsconfig.json"),
    name: `${manifest.name} ${manifest.version}`,
    readme: "none",
    ...{ disableGit: true, disableSources: true, excludeExternals: true, excludeInternal: true },
    validation: { notExported: false, invalidLink: true, notDocumented: true },
    requiredToBeDocumented: ["Class", "Enum", "Function", "Interface", "TypeAlias", "Variable"],
  },
  [new TSConfigReader()],
);
const failOnWarnings = () => {
  if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
};
const project = await app.convert();
if (!project) process.exit(1);
app.validate(project);
failOnWarnings();
// TypeDoc names modules by their files, and folders by their index.ts.
const names = new Map(
  [...entries].map(([name, file]) => [
    relative(join(root, "src"), file).replace(/(\/index)?\.ts$/, ""),
    name,
  ]),
);
for (const module of project.children ?? []) module.name = names.get(module.name) ?? module.name;
if (!values.check) await app.generateDocs(project, values.out);
failOnWarnings();
