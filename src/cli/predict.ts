import { Command } from "commander";
import { classNamesOf } from "../datasets/fit.js";
import { type Prediction, predict } from "../runs/predictions.js";
import { classText, note, print, table } from "./console.js";
import { addModelUse, dataText, type ModelUseOptions, openUse, writeTable } from "./model-use.js";

/** More classes than this are not worth a column each. */
const MAX_COLUMNS = 20;

export function predictCommand(): Command {
  const command = new Command("predict").description(
    "classes that a saved model predicts: one line per example, with their probabilities",
  );
  return addModelUse(command).action(
    async (path: string, word: string | undefined, options: ModelUseOptions) => {
      const { classifier, examples, data } = await openUse(path, word, options);
      const names = classNamesOf({ ...examples, classes: classifier.classes });
      const { rowNames } = data.rows;
      const isSequence = classifier.positions > 1;
      const rowOf = ({ row }: Prediction) => rowNames?.[row] ?? row;
      const place = (each: Prediction) => (isSequence ? [rowOf(each), each.position] : [rowOf(each)]);
      const placeNames = isSequence ? ["row", "position"] : ["row"];

      const all: Prediction[] = [];
      for await (const each of predict(classifier, data.features)) {
        if (options.json) print(jsonLine(each, rowOf(each), isSequence, names));
        all.push(each);
      }
      if (options.csv !== undefined) {
        await writeTable(options.csv, [
          [...placeNames, "class", "probability", ...names.map((name) => `p ${name}`)],
          ...all.map((each) => {
            const { label, probabilities } = each;
            return [...place(each), names[label]!, probabilities[label]!, ...probabilities];
          }),
        ]);
      }
      note(dataText(data, classifier.inputSize));
      if (options.json) return;
      const columns = names.length <= MAX_COLUMNS ? names.map((name) => `p ${classText(name)}`) : [];
      print(
        table(
          [...placeNames, "class", "probability", ...columns],
          all.map((each) => {
            const { label, probabilities } = each;
            const shares = columns.map((_, k) => probabilities[k]!.toFixed(3));
            return [...place(each), classText(names[label]!), probabilities[label]!.toFixed(3), ...shares];
          }),
        ),
      );
    },
  );
}

function jsonLine(
  { position, label, probabilities }: Prediction,
  row: string | number,
  isSequence: boolean,
  names: readonly string[],
): string {
  return JSON.stringify({
    row,
    ...(isSequence && { position }),
    class: names[label],
    probability: probabilities[label],
    probabilities: Object.fromEntries(names.map((name, k) => [name, probabilities[k]])),
  });
}
