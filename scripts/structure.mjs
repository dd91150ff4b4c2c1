// Counts the structure of src/ from its own imports, so that a change of structure can be judged by numbers:
//
//   node scripts/structure.mjs [--json]        (npm run -s structure)
//
// room      every file directly under src/, and every folder below it with the files that lie in it; a folder in
//           a folder (transports/libp2p, inspect/page) is a room of its own
// arrow     a pair of rooms (a, b) where a file of a imports one of b; type-only and dynamic imports count too
// circle    rooms that reach each other: a strongly connected component of more than one room
// back      arrows that would have to go so that no circle is left: those against the order of a circle's rooms
//           in which the fewest imports run backwards
// floors    rooms on the longest chain of arrows that carry values (type-only imports left out), a circle being one;
//           in brackets the same with type-only imports
// file circle   the same as circle for single files, which also sees circles inside a room
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseAst } from "vitest/node";

const LONGEST = 20;
/** A file or function that is longer deserves a look. */
const LONG_FILE_LINES = 350;
const LONG_FUNCTION_LINES = 60;
/** Orders of larger circles are searched greedily: the exact search takes 2ⁿ steps. */
const MAX_EXACT_ROOMS = 16;

const source = join(dirname(dirname(fileURLToPath(import.meta.url))), "src");
const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => /\.(ts|js)$/.test(name) && !name.endsWith(".d.ts"))
  .sort()
  .map(readSource);

const structure = measure(files);
if (values.json) console.log(JSON.stringify(structure));
else console.log(report(structure));

function readSource(name) {
  const text = readFileSync(join(source, name), "utf8");
  const tree = parseAst(parsable(name, text), { lang: name.endsWith(".ts") ? "ts" : "js" });
  const lineOf = lineCounter(text);
  const imports = [];
  const functions = [];
  walk(tree, [], (node, ancestors) => {
    const imported = importOf(node);
    if (imported?.specifier.startsWith(".")) imports.push(imported);
    if (/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type) && node.body) {
      const line = lineOf(node.start);
      functions.push({ file: name, line, lines: lineOf(node.end) - line + 1, name: nameOf(node, ancestors) });
    }
  });
  return { name, lines: text.split("\n").length - 1, imports, functions };
}

/** AssemblyScript puts decorators on functions, which TypeScript has not; spaces keep every place as it is. */
function parsable(name, text) {
  if (!name.includes("/assembly/")) return text;
  return text.replace(/^([ \t]*)(@\w+(\([^)]*\))?[ \t]*)+/gm, (match) => " ".repeat(match.length));
}

function lineCounter(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

function walk(node, ancestors, visit) {
  visit(node, ancestors);
  const path = [...ancestors, node];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === "string") walk(child, path, visit);
    }
  }
}

function importOf(node) {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration": {
      if (!node.source) return undefined;
      const kinds = (node.specifiers ?? []).map(({ importKind, exportKind }) => importKind ?? exportKind);
      const isType =
        (node.importKind ?? node.exportKind) === "type" ||
        (kinds.length > 0 && kinds.every((kind) => kind === "type"));
      return { specifier: node.source.value, isType };
    }
    case "ImportExpression":
      return typeof node.source.value === "string"
        ? { specifier: node.source.value, isType: false }
        : undefined;
    case "TSImportType": {
      const specifier = node.source?.value ?? node.argument?.literal?.value;
      return specifier === undefined ? undefined : { specifier, isType: true };
    }
  }
}

/** The function's own name, or what it is assigned to or passed to. */
function nameOf(node, ancestors) {
  if (node.id) return node.id.name;
  const parent = ancestors.at(-1);
  const key = parent.id ?? parent.key;
  if (key?.name) return key.name;
  if (parent.type === "CallExpression") {
    const { callee } = parent;
    return `(in ${callee.property?.name ?? callee.name ?? "call"})`;
  }
  return "(anonymous)";
}

function roomOf(name) {
  return name.includes("/") ? posix.dirname(name) : name;
}

function measure(files) {
  const known = new Set(files.map(({ name }) => name));
  const fileArrows = new Map();
  for (const { name, imports } of files) {
    for (const { specifier, isType } of imports) {
      const target = resolved(name, specifier, known);
      if (target === undefined) throw new Error(`${name} imports ${specifier}, which is not in src/`);
      if (target !== name) addArrow(fileArrows, name, target, isType);
    }
  }
  const arrows = new Map();
  for (const { from, to, isType } of fileArrows.values()) {
    if (roomOf(from) !== roomOf(to)) addArrow(arrows, roomOf(from), roomOf(to), isType);
  }
  const rooms = [...new Set(files.map(({ name }) => roomOf(name)))];
  const circles = circlesOf(rooms, [...arrows.values()]);
  const values = [...arrows.values()].filter(({ isType }) => !isType);
  const functions = files.flatMap((file) => file.functions).sort((a, b) => b.lines - a.lines);
  return {
    files: files.length,
    lines: files.reduce((sum, { lines }) => sum + lines, 0),
    rooms: rooms.length,
    floors: floorsOf(rooms, values),
    floorsWithTypes: floorsOf(rooms, [...arrows.values()]),
    arrows: arrows.size,
    back: circles.flatMap((circle) => backArrows(circle, [...arrows.values()])),
    circles,
    fileCircles: circlesOf([...known], [...fileArrows.values()]),
    folders: foldersOf(files),
    longFiles: files
      .filter(({ lines }) => lines > LONG_FILE_LINES)
      .map(({ name, lines }) => ({ name, lines }))
      .sort((a, b) => b.lines - a.lines),
    longFunctions: functions.filter(({ lines }) => lines > LONG_FUNCTION_LINES).length,
    longestFunctions: functions.slice(0, LONGEST),
  };
}

function resolved(from, specifier, known) {
  const path = posix.join(posix.dirname(from), specifier);
  return [path, path.replace(/\.js$/, ".ts"), `${path}.ts`, `${path}/index.ts`].find((name) =>
    known.has(name),
  );
}

/** One arrow per pair, with the count of imports; it is type-only when every one of them is. */
function addArrow(arrows, from, to, isType) {
  const key = `${from} → ${to}`;
  const arrow = arrows.get(key) ?? { from, to, imports: 0, isType: true };
  arrow.imports++;
  arrow.isType &&= isType;
  arrows.set(key, arrow);
}

/** Tarjan's strongly connected components, of more than one node. */
function circlesOf(nodes, arrows) {
  return componentsOf(nodes, arrows).filter(({ length }) => length > 1);
}

function componentsOf(nodes, arrows) {
  const targets = new Map(nodes.map((node) => [node, []]));
  for (const { from, to } of arrows) targets.get(from).push(to);
  const index = new Map();
  const low = new Map();
  const stack = [];
  const components = [];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of targets.get(node)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== index.get(node)) return;
    components.push(stack.splice(stack.indexOf(node)).sort());
  };
  for (const node of nodes) if (!index.has(node)) visit(node);
  return components;
}

/** Longest chain through the components. Tarjan yields a component after all that it points to. */
function floorsOf(nodes, arrows) {
  const components = componentsOf(nodes, arrows);
  const componentOf = new Map(components.flatMap((members, at) => members.map((node) => [node, at])));
  const floors = components.map(() => 1);
  for (const at of components.keys()) {
    for (const { from, to } of arrows) {
      if (componentOf.get(from) !== at || componentOf.get(to) === at) continue;
      floors[at] = Math.max(floors[at], floors[componentOf.get(to)] + 1);
    }
  }
  return Math.max(...floors);
}

/** Arrows inside a circle against the order of its rooms in which the fewest imports run backwards. */
function backArrows(circle, arrows) {
  const inside = arrows.filter(({ from, to }) => circle.includes(from) && circle.includes(to));
  const order = circle.length <= MAX_EXACT_ROOMS ? exactOrder(circle, inside) : greedyOrder(circle, inside);
  const place = new Map(order.map((room, at) => [room, at]));
  return inside.filter(({ from, to }) => place.get(from) > place.get(to));
}

/** Dynamic programming over the sets of rooms that come first. */
function exactOrder(circle, arrows) {
  const weight = circle.map((from) =>
    circle.map((to) => arrows.find((arrow) => arrow.from === from && arrow.to === to)?.imports ?? 0),
  );
  const sets = 2 ** circle.length;
  const cost = new Float64Array(sets).fill(Number.POSITIVE_INFINITY);
  const last = new Int8Array(sets);
  cost[0] = 0;
  for (let set = 0; set < sets; set++) {
    for (const next of circle.keys()) {
      if (set & (1 << next)) continue;
      // What `next` imports of the rooms before it runs backwards.
      let backwards = cost[set];
      for (const before of circle.keys()) if (set & (1 << before)) backwards += weight[next][before];
      const union = set | (1 << next);
      if (backwards < cost[union]) {
        cost[union] = backwards;
        last[union] = next;
      }
    }
  }
  const order = [];
  for (let set = sets - 1; set > 0; set &= ~(1 << last[set])) order.unshift(circle[last[set]]);
  return order;
}

/** Eades, Lin and Smyth, 1993: take the room that imports most more than it is imported, again and again. */
function greedyOrder(circle, arrows) {
  const rest = new Set(circle);
  const order = [];
  while (rest.size > 0) {
    const surplus = (room) =>
      arrows.reduce((sum, { from, to, imports }) => {
        if (!rest.has(from) || !rest.has(to)) return sum;
        return sum + (from === room ? imports : 0) - (to === room ? imports : 0);
      }, 0);
    const next = [...rest].reduce((best, room) => (surplus(room) > surplus(best) ? room : best));
    rest.delete(next);
    order.push(next);
  }
  return order;
}

function foldersOf(files) {
  const folders = new Map();
  for (const { name, lines } of files) {
    const folder = posix.dirname(name);
    const sum = folders.get(folder) ?? { folder, files: 0, lines: 0 };
    sum.files++;
    sum.lines += lines;
    folders.set(folder, sum);
  }
  return [...folders.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

function report(structure) {
  const { files, lines, rooms, floors, floorsWithTypes, arrows, back, circles, fileCircles } = structure;
  const folders = structure.folders.map(({ folder, files, lines }) => [
    folder === "." ? "src/" : `${folder}/`,
    files,
    lines,
  ]);
  const functions = structure.longestFunctions.map(({ lines, name, file, line }) => [
    lines,
    name,
    `${file}:${line}`,
  ]);
  return [
    table(["folder", "files", "lines"], [...folders, ["all", files, lines]]),
    table(
      ["rooms", "floors", "arrows", "back", "circles", "file circles"],
      [[rooms, `${floors} (${floorsWithTypes})`, arrows, back.length, circles.length, fileCircles.length]],
    ),
    ...back.map(({ from, to, imports }) => `back: ${from} → ${to} (${imports} imports)`),
    ...circles.map((circle) => `circle: ${circle.join(", ")}`),
    ...fileCircles.map((circle) => `file circle: ${circle.join(", ")}`),
    "",
    `${structure.longFunctions} functions over ${LONG_FUNCTION_LINES} lines; the longest:`,
    table(["lines", "function", "where"], functions),
    `files over ${LONG_FILE_LINES} lines:`,
    table(
      ["lines", "file"],
      structure.longFiles.map(({ lines, name }) => [lines, name]),
    ),
  ].join("\n");
}

/** A table in Markdown. */
function table(heads, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line), ""].join("\n");
}
