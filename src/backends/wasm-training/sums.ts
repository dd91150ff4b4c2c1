import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { util } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

/** Neighbouring axes that are all kept or all summed, as one. */
interface Run {
  readonly reduced: boolean;
  length: number;
}

function runsOf(shape: number[], axes: ReadonlySet<number>): Run[] {
  const runs: Run[] = [];
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const reduced = axes.has(axis);
    const last = runs.at(-1);
    if (last?.reduced === reduced) last.length *= length;
    else runs.push({ reduced, length });
  });
  return runs;
}

const lengthOf = (runs: Run[]) => runs.reduce((product, run) => product * run.length, 1);

/** factor · sum over `axes`: one pass for each run of summed axes, the longest first, nothing transposed. */
function reduce(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
  mean: boolean,
): TensorInfo | undefined {
  const x = input(inputs, "x");
  if (!isFloat(x)) return undefined;
  const { axis, keepDims } = attributes as { axis?: number | number[]; keepDims?: boolean };
  const axes = new Set(util.parseAxisParam(axis ?? x.shape.map((_, i) => i), x.shape));
  const kept = x.shape.filter((_, i) => !axes.has(i));
  const out = context.output(keepDims ? x.shape.map((length, i) => (axes.has(i) ? 1 : length)) : kept);
  const { assembly } = context;
  const size = sizeOf(x.shape);
  const outSize = sizeOf(kept);
  if (outSize === 0) return out;
  if (size === 0) {
    if (mean) return undefined;
    assembly.zero(context.address(out), outSize * 4);
    return out;
  }
  const factor = mean ? outSize / size : 1;
  let runs = runsOf(x.shape, axes);
  const passes = runs.filter((run) => run.reduced).length;
  // Results between passes lie one after another in scratch; each is at most half as long as the one before.
  let scratch = passes > 1 ? context.scratch(size * 4) : 0;
  let from = context.address(x);
  if (passes === 0) {
    assembly.sumLast(from, context.address(out), outSize, 1, factor);
    return out;
  }
  for (let pass = 0; pass < passes; pass++) {
    let longest = -1;
    runs.forEach((run, i) => {
      if (run.reduced && (longest < 0 || run.length > (runs[longest] as Run).length)) longest = i;
    });
    const outer = lengthOf(runs.slice(0, longest));
    const inner = lengthOf(runs.slice(longest + 1));
    const length = (runs[longest] as Run).length;
    const last = pass === passes - 1;
    const to = last ? context.address(out) : scratch;
    if (inner === 1) assembly.sumLast(from, to, outer, length, last ? factor : 1);
    else assembly.sumMiddle(from, to, outer, length, inner, last ? factor : 1);
    if (!last) scratch += outer * inner * 4;
    from = to;
    runs = runsOf(
      runs.filter((_, i) => i !== longest).map((run) => run.length),
      new Set(runs.filter((_, i) => i !== longest).flatMap((run, i) => (run.reduced ? [i] : []))),
    );
  }
  return out;
}

export const sum: TrainingKernel = {
  name: "Sum",
  run: (context, inputs, attributes) => reduce(context, inputs, attributes, false),
};
export const mean: TrainingKernel = {
  name: "Mean",
  run: (context, inputs, attributes) => reduce(context, inputs, attributes, true),
};
