/** From a model's file and data to the model and its examples. */
import type { ExamplesDescription, Rows } from "../dataset.js";
import { fitFeatures } from "../datasets/fit.js";
import { type DataPart, type DatasetSettings, datasetKinds, loadRows } from "../datasets/index.js";
import { PICTURE_NAME } from "../datasets/picture.js";
import { InvalidData } from "../foundation/errors.js";
import type { ModelFile } from "../saved-model.js";
import { createPredictor, type Predictor } from "../trainers/predictor.js";
import { type Experiment, OWN_FILES, parseExperiment } from "./experiment.js";
import { originsOf } from "./model-card.js";

/** A saved model that is ready to predict, with the settings of its run. */
export interface UsedModel {
  readonly predictor: Predictor;
  readonly experiment: Experiment;
  readonly examples: ExamplesDescription;
}

/** The model of a file, on a backend. @param backend the run's where left out */
export async function openModel(file: ModelFile, backend?: string): Promise<UsedModel> {
  const { experiment, examples } = originsOf(file);
  const { model, loss, seed } = experiment;
  // Checked as the setting that it stands for.
  const { trainer } =
    backend === undefined ? experiment : parseExperiment({ trainer: { backend } }, "--backend");
  const predictor = await createPredictor({
    ...{ file, model, loss, examples, seed },
    backend: trainer.kind === "layers" ? trainer.backend : "wasm",
  });
  return { predictor, experiment, examples };
}

/** The examples that a model is used on. */
export interface UsedData {
  readonly source: string;
  readonly part: DataPart;
  readonly rows: Rows;
  /** As the model takes them. */
  readonly features: Float32Array;
}

/**
 * Loads examples for a model. Without `part`, these are the held-out ones of the run's data, and all of other data.
 *
 * @param word settings as JSON, the name of a kind, or a path to read with the run's settings; the run's data where left out
 * @throws InvalidData data that cannot be read, or are not what the model takes
 */
export async function openData(
  { experiment, examples }: Pick<UsedModel, "experiment" | "examples">,
  word: string | undefined,
  part?: DataPart,
): Promise<UsedData> {
  if (word === undefined && "path" in experiment.data && experiment.data.path === OWN_FILES) {
    throw new InvalidData(
      "the data of this model's run were files of its peers: name one, as in `murmur evaluate MODEL peer-0.csv`",
      { code: "data-of-peers", field: "data" },
    );
  }
  const settings = word === undefined ? experiment.data : settingsOf(word, experiment.data);
  const isOwn = JSON.stringify(settings) === JSON.stringify(experiment.data);
  const chosen = part ?? (isOwn ? "test" : "all");
  const rows = await loadRows(settings, chosen, examples);
  const source = "path" in settings ? settings.path : settings.kind;
  return { source, part: chosen, rows, features: fitFeatures(rows, examples, source) };
}

function settingsOf(word: string, own: DatasetSettings): DatasetSettings {
  if (datasetKinds.includes(word))
    return word === own.kind ? own : parseExperiment({ data: word }, "data").data;
  if (word.trimStart().startsWith("{")) {
    let data: unknown;
    try {
      data = JSON.parse(word);
    } catch (cause) {
      throw new InvalidData(`data ${word.slice(0, 40)} are not JSON: ${(cause as Error).message}`, {
        code: "data-not-json",
        field: "data",
        cause,
      });
    }
    return parseExperiment({ data }, "data").data;
  }
  if (!("path" in own)) {
    const kind = PICTURE_NAME.test(word) ? "images" : "csv";
    throw new InvalidData(
      `the model learned from data of kind ${own.kind}, which have no path, so ${word} needs its settings: give them as JSON, as in '{"kind":"${kind}","path":"${word}"}'`,
      { code: "data-of-unknown-kind", field: "data" },
    );
  }
  // The limits and the test part of the run's files are not those of other files.
  const {
    testPath: _,
    trainExamples: _train,
    testExamples: _test,
    ...others
  } = own as Record<string, unknown>;
  return word === own.path ? own : ({ ...others, path: word } as DatasetSettings);
}
