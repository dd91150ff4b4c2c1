/** What the logs say of peers' examples, and of how well models do on each class. */
import type { ExampleCounts } from "../dataset.js";
import { type ByClass, recallsOf } from "../evaluation.js";
import type { GraphRound, PeerRound } from "../runs/log.js";

/** Labels by class after a round, from 0. */
export interface ByClassAfter extends ByClass {
  readonly round: number;
}

/** The last evaluations of a model. */
export interface ByClassRecord {
  /** After a learning round. */
  learned?: ByClassAfter;
  /** After a closing round. */
  closed?: ByClassAfter;
}

type Evaluated = NonNullable<PeerRound["evaluation"]>;

/** A round is over. @param evaluation of its model, where there is one */
export function recordByClass(
  record: ByClassRecord,
  { round, kind }: Pick<PeerRound | GraphRound, "round" | "kind">,
  evaluation: Evaluated | undefined,
): void {
  if (!evaluation?.byClass) return;
  record[kind === "closing" ? "closed" : "learned"] = { round, ...evaluation.byClass };
}

/** A peer's examples. */
export interface PeerExamples extends Pick<ExampleCounts, "train" | "test"> {
  readonly peer: number;
  /** Labels of each class. */
  readonly classes?: { readonly train: readonly number[]; readonly test: readonly number[] };
}

export interface ExamplesView {
  /** What the classes are called, or their numbers; empty where none are counted. */
  readonly classes: readonly string[];
  readonly peers: readonly PeerExamples[];
}

/** How well one model does on each class. */
export interface ModelByClass extends ByClass {
  /** null for the mean of all models, or for the model that all peers have after closing. */
  readonly peer: number | null;
}

export interface ByClassView {
  /** Rounds that were over, of the latest evaluation. */
  readonly round: number;
  readonly classes: readonly string[];
  /** The mean of all models, where a simulation or `up` evaluated it. */
  readonly mean?: ModelByClass;
  /** Before closing, which makes all models equal. */
  readonly peers: readonly ModelByClass[];
  /** The peer with the lowest share of correct labels. */
  readonly worst: number;
}

interface Source {
  readonly peers: readonly {
    readonly peer: number;
    readonly data: ExampleCounts | undefined;
    readonly byClass: ByClassRecord;
  }[];
  readonly graph: { readonly byClass: ByClassRecord };
}

/** @returns nothing where no log says how many examples its peer has */
export function viewData({ peers }: Pick<Source, "peers">): { data?: ExamplesView } {
  const views = peers.flatMap(({ peer, data }): PeerExamples[] => {
    if (!data) return [];
    const { train, test, classes } = data;
    return [{ peer, train, test, ...(classes && { classes: { train: classes.train, test: classes.test } }) }];
  });
  if (views.length === 0) return {};
  const counted = views.find(({ classes }) => classes)?.classes?.train.length ?? 0;
  return { data: { classes: classNames(peers, counted), peers: views } };
}

/** @returns nothing where no evaluation counted classes */
export function viewByClass({ peers, graph }: Source): { byClass?: ByClassView } {
  // Where a run has no learning rounds, or was resumed after them, there is only what closing left.
  const lastOf = ({ learned, closed }: ByClassRecord) => learned ?? closed;
  const models = peers.flatMap(({ peer, byClass }) => {
    const last = lastOf(byClass);
    return last ? [{ peer, ...last }] : [];
  });
  if (models.length === 0) return {};
  const mean = lastOf(graph.byClass);
  const [lowest] = [...models].sort((a, b) => shareOf(a) - shareOf(b));
  return {
    byClass: {
      round: 1 + Math.max(...models.map(({ round }) => round)),
      classes: classNames(peers, models[0]!.count.length),
      ...(mean && { mean: labelsOf(null, mean) }),
      peers: models.map((model) => labelsOf(model.peer, model)),
      worst: lowest!.peer,
    },
  };
}

const labelsOf = (peer: number | null, { correct, count }: ByClass): ModelByClass => ({
  peer,
  correct,
  count,
});

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
const shareOf = ({ correct, count }: ByClass) => sum(correct) / sum(count);

function classNames(peers: Source["peers"], count: number): string[] {
  const names = peers.find(({ data }) => data?.classes?.names)?.data?.classes?.names;
  return Array.from({ length: count }, (_, k) => names?.[k] ?? String(k));
}

/** The lowest and highest recall of a class among the peers; undefined where no peer has labels of it. */
export function recallRange(
  { peers }: Pick<ByClassView, "peers">,
  label: number,
): Record<"lowest" | "highest", { readonly peer: number; readonly recall: number }> | undefined {
  const known = peers.flatMap((model) => {
    const recall = recallsOf(model)[label] ?? null;
    return recall === null || model.peer === null ? [] : [{ peer: model.peer, recall }];
  });
  if (known.length === 0) return undefined;
  const sorted = known.sort((a, b) => a.recall - b.recall);
  return { lowest: sorted[0]!, highest: sorted.at(-1)! };
}
