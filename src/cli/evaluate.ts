import { Command } from "commander";
import { classNamesOf, fitLabels } from "../datasets/fit.js";
import { evaluateModel, type ModelEvaluation } from "../runs/predictions.js";
import { classText, numberText, percentText, print, table } from "./console.js";
import { addModelUse, dataText, type ModelUseOptions, openUse, writeTable } from "./model-use.js";

/** More classes than this are not worth a column each. */
const MAX_COLUMNS = 20;

export function evaluateCommand(): Command {
  const command = new Command("evaluate").description(
    "evaluate a saved model: loss, accuracy, and the confusion matrix",
  );
  return addModelUse(command).action(
    async (path: string, word: string | undefined, options: ModelUseOptions) => {
      const { classifier, examples, data } = await openUse(path, word, options);
      const labels = fitLabels(data.rows, examples, data.source);
      const evaluation = await evaluateModel(classifier, data.features, labels);
      const names = classNamesOf({ ...examples, classes: classifier.classes });
      const classes = classesOf(evaluation, names);
      if (options.csv !== undefined) await writeTable(options.csv, csvRows(evaluation, classes));
      const { confusion, ...figures } = evaluation;
      if (options.json) {
        const { source, part } = data;
        return print(JSON.stringify({ model: path, data: source, part, ...figures, classes, confusion }));
      }
      print(dataText(data, classifier.inputSize));
      print(`loss ${numberText(evaluation.loss)}, accuracy ${percentText(evaluation.accuracy)} %\n`);
      print(classTable(evaluation, classes));
    },
  );
}

interface ClassResult {
  readonly name: string;
  /** Labels of this class. */
  readonly support: number;
  /** Share of the predictions of this class that are correct; null where there are none. */
  readonly precision: number | null;
  /** Share of `support` that was predicted; null where there is none. */
  readonly recall: number | null;
}

function classesOf({ confusion }: ModelEvaluation, names: readonly string[]): ClassResult[] {
  const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);
  return confusion.map((row, label) => {
    const support = row.reduce((sum, count) => sum + count, 0);
    const predicted = confusion.reduce((sum, others) => sum + others[label]!, 0);
    const correct = row[label]!;
    const [precision, recall] = [share(correct, predicted), share(correct, support)];
    return { name: names[label]!, support, precision, recall };
  });
}

/** A row per class; its columns for classes count what was predicted for it. */
function classTable({ confusion }: ModelEvaluation, classes: readonly ClassResult[]): string {
  const columns = classes.length <= MAX_COLUMNS ? classes.map(({ name }) => `as ${classText(name)}`) : [];
  return table(
    ["class", "support", "precision %", "recall %", ...columns],
    classes.map(({ name, support, precision, recall }, label) => [
      classText(name),
      support,
      percentText(precision ?? undefined),
      percentText(recall ?? undefined),
      ...columns.map((_, k) => confusion[label]![k] || "–"),
    ]),
  );
}

function csvRows({ confusion }: ModelEvaluation, classes: readonly ClassResult[]): (string | number)[][] {
  return [
    ["class", "support", "precision", "recall", ...classes.map(({ name }) => `as ${name}`)],
    ...classes.map(({ name, support, precision, recall }, label) => [
      ...[name, support, precision ?? "", recall ?? ""],
      ...confusion[label]!,
    ]),
  ];
}
