/** Means along a run of unknown length, in a bounded number of spans of equal length: when there are too many, neighbours are merged. */

/** From half of these on there are always as many once that many rounds have passed. Even. */
const MAX_SPANS = 16;

/** Plain data: processes hand it over. */
export interface Spans {
  /** Rounds of a full span; a power of two. */
  rounds: number;
  readonly filled: Span[];
}

interface Span {
  rounds: number;
  /** Sum and number of the values by name. */
  readonly sums: Record<string, [sum: number, count: number]>;
}

export function createSpans(): Spans {
  return { rounds: 1, filled: [] };
}

/** One round more. */
export function addRound(spans: Spans, values: Readonly<Record<string, number | undefined>>): void {
  const { filled } = spans;
  if (filled.length === MAX_SPANS && filled.at(-1)!.rounds === spans.rounds) mergePairs(spans);
  let last = filled.at(-1);
  if (!last || last.rounds === spans.rounds) {
    last = { rounds: 0, sums: {} };
    filled.push(last);
  }
  last.rounds++;
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) addTo(last, name, value, 1);
  }
}

function addTo({ sums }: Span, name: string, sum: number, count: number): void {
  const own = sums[name];
  if (own) {
    own[0] += sum;
    own[1] += count;
  } else sums[name] = [sum, count];
}

function mergePairs(spans: Spans): void {
  const { filled } = spans;
  for (let k = 0; k < MAX_SPANS / 2; k++) {
    const [into, other] = [filled[2 * k]!, filled[2 * k + 1]!];
    into.rounds += other.rounds;
    for (const [name, [sum, count]] of Object.entries(other.sums)) addTo(into, name, sum, count);
    filled[k] = into;
  }
  filled.length = MAX_SPANS / 2;
  spans.rounds *= 2;
}

/** Mean of the values over a part of the rounds, its bounds being shares of them; undefined where there are none. */
export function meanOver(
  { filled }: Pick<Spans, "filled">,
  name: string,
  from: number,
  to: number,
): number | undefined {
  const rounds = filled.reduce((sum, span) => sum + span.rounds, 0);
  let [total, values, passed] = [0, 0, 0];
  for (const span of filled) {
    const [start, end] = [passed / rounds, (passed + span.rounds) / rounds];
    passed += span.rounds;
    const [sum, count] = span.sums[name] ?? [0, 0];
    // A span belongs where its middle is, and a part shorter than a span has the one that it lies in.
    const isIn = isWithin((start + end) / 2, from, to) || isWithin((from + to) / 2, start, end);
    if (!isIn) continue;
    total += sum;
    values += count;
  }
  return values === 0 ? undefined : total / values;
}

const isWithin = (value: number, from: number, to: number) => value >= from && value <= to;
