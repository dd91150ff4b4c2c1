/** From the numbers of files to those that models compute with. */
import { type Dataset, type Examples, type FileNumbers, targetNames } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";

/**
 * Float32 keeps 24 bits of a number. Where numbers of a column differ by less than this share of the largest, fewer than
 * eight of those bits are left to tell them apart.
 */
const LEAST_SHARE = 2 ** -16;

/**
 * The data set in float32. What is in float32 already is not copied.
 * @throws InvalidData a column that loses what its numbers differ by
 */
export function inFloat32(dataset: Dataset<FileNumbers>): Dataset {
  const { name, train, test, inputShape, targets, featureNames } = dataset;
  const channels = inputShape.at(-1)!;
  const column = columnThatIsLost(train.features, channels);
  if (column !== undefined) {
    throw new InvalidData(
      `data ${name}: column ${featureNames?.[column] ?? column} differs by so little that float32 cannot hold it: set data.scale to standard`,
      { code: "feature-lost-in-float32", field: "data.scale" },
    );
  }
  if (!(train.labels instanceof Int32Array)) {
    const target = columnThatIsLost(train.labels, targets.count);
    if (target !== undefined) {
      throw new InvalidData(
        `data ${name}: target ${targetNames(targets)[target]} differs by so little that float32 cannot hold it: set data.targetScale to standard`,
        { code: "target-lost-in-float32", field: "data.targetScale" },
      );
    }
  }
  return { ...dataset, train: rounded(train), test: rounded(test) };
}

function rounded({ features, labels }: Examples<FileNumbers>): Examples {
  return {
    features: features instanceof Float32Array ? features : new Float32Array(features),
    labels: labels instanceof Float64Array ? new Float32Array(labels) : labels,
  };
}

function columnThatIsLost(numbers: FileNumbers, channels: number): number | undefined {
  if (numbers instanceof Float32Array) return undefined;
  for (let channel = 0; channel < channels; channel++) {
    let [least, most, isExact] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, true];
    for (let i = channel; i < numbers.length; i += channels) {
      const value = numbers[i]!;
      least = Math.min(least, value);
      most = Math.max(most, value);
      isExact &&= Math.fround(value) === value;
    }
    const size = Math.max(Math.abs(least), Math.abs(most));
    if (!isExact && least < most && most - least < LEAST_SHARE * size) return channel;
  }
  return undefined;
}
