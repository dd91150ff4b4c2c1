import { Command } from "commander";
import { targetNames } from "../dataset.js";
import { fitLabels } from "../datasets/fit.js";
import { ACCURACY } from "../evaluation.js";
import { evaluateModel, type ModelEvaluation } from "../runs/predictions.js";
import { classText, numberText, percentText, print, qualityText, table } from "./console.js";
import { addModelUse, dataText, type ModelUseOptions, openUse, writeTable } from "./model-use.js";

/** More classes than this are not worth a column each. */
const MAX_COLUMNS = 20;

export function evaluateCommand(): Command {
  const command = new Command("evaluate").description(
    "evaluate a saved model: loss, metrics, and the confusion matrix of classes",
  );
  return addModelUse(command).action(
    async (path: string, word: string | undefined, options: ModelUseOptions) => {
      const { predictor, examples, data } = await openUse(path, word, options);
      const labels = fitLabels(data.rows, examples, data.source);
      const evaluation = await evaluateModel(predictor, data.features, labels);
      const names = targetNames(examples.targets);
      const details = evaluation.confusion
        ? detailsOfClasses(evaluation.confusion, names)
        : detailsOfTargets(evaluation.byTarget!, names);
      if (options.csv !== undefined) await writeTable(options.csv, details.rows);
      if (options.json) {
        const { source, part } = data;
        const { confusion: _, byTarget: _targets, byClass: _classes, ...figures } = evaluation;
        return print(JSON.stringify({ model: path, data: source, part, ...figures, ...details.json }));
      }
      print(dataText(data, predictor.inputSize));
      print(`${[`loss ${numberText(evaluation.loss)}`, ...figureTexts(evaluation)].join(", ")}\n`);
      print(details.text);
    },
  );
}

function figureTexts({ accuracy, metrics = {} }: ModelEvaluation): string[] {
  const named = Object.entries(metrics);
  if (accuracy !== undefined) named.unshift([ACCURACY.name, accuracy]);
  return named.map(([name, value]) => qualityText({ metric: { name }, value }));
}

/** What is known of each class or target, in the forms that it is shown in. */
interface Details {
  readonly json: object;
  readonly rows: readonly (readonly (string | number)[])[];
  readonly text: string;
}

function detailsOfClasses(confusion: Confusion, names: readonly string[]): Details {
  const classes = classesOf(confusion, names);
  return {
    json: { classes, confusion },
    rows: csvRows(confusion, classes),
    text: classTable(confusion, classes),
  };
}

function detailsOfTargets(
  byTarget: NonNullable<ModelEvaluation["byTarget"]>,
  names: readonly string[],
): Details {
  const columns = Object.keys(byTarget[0]!);
  const figures = byTarget.map((each) => columns.map((column) => each[column]!));
  return {
    json: { targets: byTarget.map((each, k) => ({ name: names[k], ...each })) },
    rows: [["target", ...columns], ...figures.map((row, k) => [names[k]!, ...row])],
    text: table(
      ["target", ...columns],
      figures.map((row, k) => [classText(names[k]!), ...row.map(numberText)]),
    ),
  };
}

type Confusion = NonNullable<ModelEvaluation["confusion"]>;

interface ClassResult {
  readonly name: string;
  /** Labels of this class. */
  readonly support: number;
  /** Share of the predictions of this class that are correct; null where there are none. */
  readonly precision: number | null;
  /** Share of `support` that was predicted; null where there is none. */
  readonly recall: number | null;
}

function classesOf(confusion: Confusion, names: readonly string[]): ClassResult[] {
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
function classTable(confusion: Confusion, classes: readonly ClassResult[]): string {
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

function csvRows(confusion: Confusion, classes: readonly ClassResult[]): (string | number)[][] {
  return [
    ["class", "support", "precision", "recall", ...classes.map(({ name }) => `as ${name}`)],
    ...classes.map(({ name, support, precision, recall }, label) => [
      ...[name, support, precision ?? "", recall ?? ""],
      ...confusion[label]!,
    ]),
  ];
}
