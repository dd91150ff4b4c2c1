import { Command } from "commander";
import { classNamesOf, fitLabels } from "../datasets/fit.js";
import { evaluateModel, type ModelEvaluation } from "../runs/answers.js";
import { classText, numberText, percentText, print, table } from "./console.js";
import { addModelUse, dataText, type ModelUseOptions, openUse, writeTable } from "./model-use.js";

/** More classes than this are not worth a column each. */
const MAX_COLUMNS = 20;

export function evaluateCommand(): Command {
  const command = new Command("evaluate").description(
    "evaluate a saved model: loss, accuracy, and which classes it takes for which",
  );
  return addModelUse(command).action(
    async (path: string, word: string | undefined, options: ModelUseOptions) => {
      const { classifier, examples, data } = await openUse(path, word, options);
      const labels = fitLabels(data.rows, examples, data.source);
      const evaluation = await evaluateModel(classifier, data.features, labels);
      const names = classNamesOf({ ...examples, classes: classifier.classes });
      const classes = classesOf(evaluation, names);
      if (options.csv !== undefined) await writeTable(options.csv, csvRows(evaluation, classes));
      const { loss, accuracy, answers, confusion } = evaluation;
      if (options.json) {
        const { source, part } = data;
        return print(
          JSON.stringify({ model: path, data: source, part, answers, loss, accuracy, classes, confusion }),
        );
      }
      print(dataText(data, classifier.inputSize));
      print(`loss ${numberText(loss)}, accuracy ${percentText(accuracy)} %\n`);
      print(classTable(evaluation, classes));
    },
  );
}

interface ClassResult {
  readonly name: string;
  /** Answers where it is right. */
  readonly answers: number;
  /** Share of the answers of this class that are right; null where there are none. */
  readonly precision: number | null;
  /** Share of `answers` that the model found; null where there are none. */
  readonly recall: number | null;
}

function classesOf({ confusion }: ModelEvaluation, names: readonly string[]): ClassResult[] {
  const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);
  return confusion.map((row, label) => {
    const answers = row.reduce((sum, count) => sum + count, 0);
    const given = confusion.reduce((sum, others) => sum + others[label]!, 0);
    const right = row[label]!;
    return { name: names[label]!, answers, precision: share(right, given), recall: share(right, answers) };
  });
}

/** A row per class; its columns for classes count the answers that took it for them. */
function classTable({ confusion }: ModelEvaluation, classes: readonly ClassResult[]): string {
  const columns = classes.length <= MAX_COLUMNS ? classes.map(({ name }) => `as ${classText(name)}`) : [];
  return table(
    ["class", "examples", "precision %", "recall %", ...columns],
    classes.map(({ name, answers, precision, recall }, label) => [
      classText(name),
      answers,
      percentText(precision ?? undefined),
      percentText(recall ?? undefined),
      ...columns.map((_, k) => confusion[label]![k] || "–"),
    ]),
  );
}

function csvRows({ confusion }: ModelEvaluation, classes: readonly ClassResult[]): (string | number)[][] {
  return [
    ["class", "answers", "precision", "recall", ...classes.map(({ name }) => `as ${name}`)],
    ...classes.map(({ name, answers, precision, recall }, label) => [
      ...[name, answers, precision ?? "", recall ?? ""],
      ...confusion[label]!,
    ]),
  ];
}
