import { Command } from "commander";
import { type Targets, targetNames } from "../dataset.js";
import { type PredictedTarget, type Prediction, predict } from "../runs/predictions.js";
import { classText, note, print, table } from "./console.js";
import { addModelUse, dataText, type ModelUseOptions, openUse, writeTable } from "./model-use.js";

/** More targets than this are not worth a column each. */
const MAX_COLUMNS = 20;
/** Digits of predicted numbers in the table; files have all. */
const SHOWN_DIGITS = 6;

export function predictCommand(): Command {
  const command = new Command("predict").description(
    "what a saved model predicts, one line per example: classes or marks with their probabilities, or numbers",
  );
  return addModelUse(command).action(
    async (path: string, word: string | undefined, options: ModelUseOptions) => {
      const { predictor, examples, data } = await openUse(path, word, options);
      const columns = columnsOf(examples.targets);
      const { rowNames } = data.rows;
      const isSequence = predictor.positions > 1;
      const rowOf = ({ row }: Prediction) => rowNames?.[row] ?? row;
      const place = (each: Prediction) => (isSequence ? [rowOf(each), each.position] : [rowOf(each)]);
      const placeNames = isSequence ? ["row", "position"] : ["row"];

      const all: Prediction[] = [];
      for await (const each of predict(predictor, data.features)) {
        const { position } = each;
        if (options.json) {
          print(JSON.stringify({ row: rowOf(each), ...(isSequence && { position }), ...columns.json(each) }));
        }
        all.push(each);
      }
      if (options.csv !== undefined) {
        await writeTable(options.csv, [
          [...placeNames, ...columns.names],
          ...all.map((each) => [...place(each), ...columns.values(each)]),
        ]);
      }
      note(dataText(data, predictor.inputSize));
      if (options.json) return;
      print(
        table(
          [...placeNames, ...columns.titles],
          all.map((each) => [...place(each), ...columns.texts(each)]),
        ),
      );
    },
  );
}

/** How predictions of some targets are written. */
interface Columns {
  /** Of the CSV file. */
  readonly names: readonly string[];
  values(prediction: PredictedTarget): (string | number)[];
  /** Of the table in the terminal. */
  readonly titles: readonly string[];
  texts(prediction: PredictedTarget): string[];
  json(prediction: PredictedTarget): object;
}

function columnsOf(targets: Targets): Columns {
  const names = targetNames(targets);
  const isShown = names.length <= MAX_COLUMNS;
  const byName = (values: ArrayLike<number>) => Object.fromEntries(names.map((name, k) => [name, values[k]]));
  const share = (value: number) => value.toFixed(3);
  if (targets.kind === "classes") {
    const of = (prediction: PredictedTarget) => prediction as PredictedTarget & { kind: "classes" };
    return {
      names: ["class", "probability", ...names.map((name) => `p ${name}`)],
      values(prediction) {
        const { label, probabilities } = of(prediction);
        return [names[label]!, probabilities[label]!, ...probabilities];
      },
      titles: ["class", "probability", ...(isShown ? names.map((name) => `p ${classText(name)}`) : [])],
      texts(prediction) {
        const { label, probabilities } = of(prediction);
        const all = isShown ? Array.from(probabilities, share) : [];
        return [classText(names[label]!), share(probabilities[label]!), ...all];
      },
      json(prediction) {
        const { label, probabilities } = of(prediction);
        return {
          class: names[label],
          probability: probabilities[label],
          probabilities: byName(probabilities),
        };
      },
    };
  }
  const isNumbers = targets.kind === "numbers";
  const digits = (value: number) => String(Number(value.toPrecision(SHOWN_DIGITS)));
  const of = (prediction: PredictedTarget) =>
    prediction.kind === "numbers" ? prediction.numbers : prediction.probabilities;
  const titled = (name: string) => (isNumbers ? name : `p ${name}`);
  return {
    names: names.map(titled),
    values: (prediction) => [...of(prediction)],
    titles: names.slice(0, MAX_COLUMNS).map((name) => titled(classText(name))),
    texts: (prediction) => Array.from(of(prediction).subarray(0, MAX_COLUMNS), isNumbers ? digits : share),
    json: (prediction) => ({ [isNumbers ? "numbers" : "probabilities"]: byName(of(prediction)) }),
  };
}
