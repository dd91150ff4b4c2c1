/** OpenMetrics 1.0 read as strictly as its specification allows: sections "Overall structure" and "Metric types". */

export interface Family {
  readonly type: string;
  readonly unit: string | undefined;
  readonly help: string;
  /** By name and labels as written. */
  readonly samples: Map<string, number>;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"`;
const descriptor = new RegExp(`^# (HELP|TYPE|UNIT) (${NAME}) (.*)$`, "s");
const sample = new RegExp(`^(${NAME})(\\{${LABEL}(?:,${LABEL})*\\})? ([-+.eE0-9]+|[+-]Inf|NaN)$`, "s");

/** What the names of a type's samples add to the family's. */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

/** @throws Error with the line that is not allowed */
export function parseOpenMetrics(text: string): Map<string, Family> {
  const refuse = (why: string, line: string) => new Error(`${why}: ${line}`);
  if (!text.endsWith("\n# EOF\n") && text !== "# EOF\n") throw refuse("no # EOF", text.slice(-40));
  const families = new Map<string, Family & { seen: Set<string> }>();
  let current = "";
  for (const line of text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1)) {
    const [, kind, name = "", rest = ""] = descriptor.exec(line) ?? [];
    if (kind) {
      if (name !== current && families.has(name)) throw refuse("family is interleaved", line);
      const family = families.get(name) ?? {
        type: "unknown",
        unit: undefined,
        help: "",
        samples: new Map(),
        seen: new Set(),
      };
      if (family.seen.has(kind)) throw refuse(`second ${kind}`, line);
      if (family.samples.size > 0) throw refuse(`${kind} after samples`, line);
      if (kind === "UNIT" && !name.endsWith(`_${rest}`)) throw refuse("unit is not the name's suffix", line);
      family.seen.add(kind);
      const field = { HELP: { help: unescaped(rest) }, TYPE: { type: rest }, UNIT: { unit: rest } }[kind];
      families.set(name, { ...family, ...field });
      current = name;
      continue;
    }
    const [, sampleName, labels = "", value] = sample.exec(line) ?? [];
    if (sampleName === undefined) throw refuse("neither descriptor nor sample", line);
    const family = families.get(current);
    const suffix = sampleName.startsWith(current) ? sampleName.slice(current.length) : undefined;
    if (!family || suffix === undefined || !suffixes[family.type]?.includes(suffix)) {
      throw refuse(`not a sample of ${current}`, line);
    }
    const names = [...labels.matchAll(/([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"/g)].map(([, label]) => label);
    if (new Set(names).size < names.length) throw refuse("a label twice", line);
    if (family.samples.has(sampleName + labels)) throw refuse("a sample twice", line);
    const number = Number(value!.replace("Inf", "Infinity"));
    if (family.type !== "gauge" && !(number >= 0)) throw refuse("a count below zero", line);
    family.samples.set(sampleName + labels, number);
  }
  return new Map([...families].map(([name, { seen: _, ...family }]) => [name, family]));
}

export const unescaped = (text: string) =>
  text.replace(/\\(["\\n])/g, (_, letter) => (letter === "n" ? "\n" : letter));
