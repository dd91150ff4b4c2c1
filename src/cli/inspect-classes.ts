/** What `murmur inspect` shows of the peers' examples, and of the accuracy of each class. */
import { recallsOf } from "../evaluation.js";
import { recallRange } from "../inspect/by-class.js";
import type { RunView } from "../inspect/view.js";
import { classText, note, percentText, print, table } from "./console.js";

/** Classes that have a column each at most; of more the table says how many a peer has. */
const MAX_CLASS_COLUMNS = 12;
/** Rows of a table at most. */
const MAX_ROWS = 16;

type Cell = string | number;

export function printExamples({ data }: RunView): void {
  if (!data) return;
  const { classes, peers } = data;
  const isWide = classes.length > MAX_CLASS_COLUMNS;
  const titles = isWide ? ["classes", "most of one"] : classes.map(classText);
  const rows = peers.map(({ peer, train, test, classes: counted }): Cell[] => {
    const counts = counted?.train ?? [];
    const most = Math.max(0, ...counts);
    const summary = [counts.filter((count) => count > 0).length, percentText(train > 0 ? most / train : 0)];
    return [peer, train, test, ...(isWide ? summary : classes.map((_, k) => counts[k] || "–"))];
  });
  print(`\nexamples${classes.length > 0 ? ", and training labels of each class" : ""}\n`);
  print(table(["peer", "training", "test", ...titles], rows.slice(0, MAX_ROWS)));
  noteRest(rows.length, "peers");
}

export function printByClass({ byClass }: RunView): void {
  if (!byClass) return;
  const { round, classes, mean, peers, worst } = byClass;
  const means = mean && recallsOf(mean);
  const ofWorst = recallsOf(peers.find(({ peer }) => peer === worst)!);
  const rows = classes.map((name, label): Cell[] => {
    const range = recallRange(byClass, label);
    return [
      classText(name),
      ...(means ? [percentText(means[label] ?? undefined)] : []),
      percentText(ofWorst[label] ?? undefined),
      percentText(range?.lowest.recall),
      range ? range.lowest.peer : "–",
      percentText(range?.highest.recall),
    ];
  });
  const lowest = classes.map((_, label) => recallRange(byClass, label)?.lowest.recall ?? 1);
  // Of many classes the worst are worth their rows.
  const shown = [...rows.keys()].sort((a, b) => lowest[a]! - lowest[b]!).slice(0, MAX_ROWS);
  print(`\naccuracy by class, after round ${round}\n`);
  print(
    table(
      [
        "class",
        ...(means ? ["mean model %"] : []),
        `worst (peer ${worst}) %`,
        "lowest %",
        "of peer",
        "highest %",
      ],
      rows.filter((_, label) => shown.includes(label)),
    ),
  );
  noteRest(rows.length, "classes");
}

function noteRest(count: number, what: string): void {
  if (count > MAX_ROWS) note(`note: ${MAX_ROWS} of ${count} ${what} are shown; --json has all`);
}

/** What the line of the run has of them; `round` counts from 1. */
export function classesJson({ data, byClass }: RunView) {
  const classes = byClass?.classes ?? data?.classes ?? [];
  return {
    ...(classes.length > 0 && { classes }),
    ...(byClass && { evaluatedRound: byClass.round }),
    ...(byClass?.mean && { meanModel: countsOf(byClass.mean) }),
  };
}

/** The same of one peer. */
export function peerClassesJson({ data, byClass }: RunView, id: number) {
  const own = data?.peers.find(({ peer }) => peer === id);
  const model = byClass?.peers.find(({ peer }) => peer === id);
  const { peer: _, ...examples } = own ?? { peer: id };
  return { ...(own && { examples }), ...(model && { byClass: countsOf(model) }) };
}

const countsOf = ({
  correct,
  count,
}: {
  readonly correct: readonly number[];
  readonly count: readonly number[];
}) => ({
  correct,
  count,
});
