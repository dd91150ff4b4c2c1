import type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { backend_util } from "@tensorflow/tfjs-core";
import type { Context } from "./context.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

/** Neighbouring axes along which both operands behave alike. Steps in numbers; 0 where the operand repeats. */
interface Axis {
  length: number;
  aRepeats: boolean;
  bRepeats: boolean;
  aStep: number;
  bStep: number;
}

/** Rows shorter than this are not worth a call each, unless an operand can be spread out to make them longer. */
const SHORT_ROW = 16;
/** Calls into the kernel for one operation; beyond them tfjs's own kernel goes through the axes itself. */
const MAX_CALLS = 4096;

function axesOf(a: number[], b: number[], out: number[]): Axis[] {
  const axes: Axis[] = [];
  for (let i = 0; i < out.length; i++) {
    const length = out[i] as number;
    if (length === 1) continue;
    const aRepeats = (a[i - out.length + a.length] ?? 1) === 1;
    const bRepeats = (b[i - out.length + b.length] ?? 1) === 1;
    const last = axes.at(-1);
    if (last && last.aRepeats === aRepeats && last.bRepeats === bRepeats) last.length *= length;
    else axes.push({ length, aRepeats, bRepeats, aStep: 0, bStep: 0 });
  }
  let aStep = 1;
  let bStep = 1;
  for (const axis of [...axes].reverse()) {
    axis.aStep = axis.aRepeats ? 0 : aStep;
    axis.bStep = axis.bRepeats ? 0 : bStep;
    if (!axis.aRepeats) aStep *= axis.length;
    if (!axis.bRepeats) bStep *= axis.length;
  }
  return axes;
}

function arithmetic(name: string, operation: number): TrainingKernel {
  function run(context: Context, inputs: NamedTensorInfoMap): TensorInfo | undefined {
    const a = input(inputs, "a");
    const b = input(inputs, "b");
    if (!isFloat(a, b)) return undefined;
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const axes = axesOf(a.shape, b.shape, shape);
    if (sizeOf(shape) === 0) return context.output(shape);
    const { assembly } = context;
    const one: Axis = { length: 1, aRepeats: false, bRepeats: false, aStep: 0, bStep: 0 };
    let inner = axes.pop() ?? { ...one, aStep: 1, bStep: 1 };

    // Short rows in which one operand stands still (a group's mean over its few channels): write that operand's
    // numbers out over the two last axes once per row of the axis before, which repeats them.
    let spread: { operand: "a" | "b"; outer: Axis; inner: Axis } | undefined;
    const next = axes.at(-1);
    const repeated = axes.at(-2);
    if (inner.length < SHORT_ROW && inner.aRepeats !== inner.bRepeats && next && repeated) {
      const operand = inner.aRepeats ? "a" : "b";
      const dense = next.aRepeats === false && next.bRepeats === false;
      if (dense && (operand === "a" ? repeated.aRepeats : repeated.bRepeats)) {
        spread = { operand, outer: next, inner };
        axes.pop();
        inner = { ...one, length: next.length * inner.length, aStep: 1, bStep: 1 };
      }
    }
    const rows = axes.pop() ?? one;
    const calls = axes.reduce((product, axis) => product * axis.length, 1);
    if (calls > MAX_CALLS) return undefined;

    const out = context.output(shape);
    const rowLength = inner.length;
    const scratch = spread ? context.scratch(rowLength * 4) : 0;
    let to = context.address(out);
    const aFrom = context.address(a);
    const bFrom = context.address(b);
    const index = new Array<number>(axes.length).fill(0);
    for (let call = 0; call < calls; call++) {
      let aAt = aFrom;
      let bAt = bFrom;
      axes.forEach((axis, i) => {
        aAt += (index[i] as number) * axis.aStep * 4;
        bAt += (index[i] as number) * axis.bStep * 4;
      });
      if (spread) {
        const { operand, outer } = spread;
        const isA = operand === "a";
        assembly.expand(
          isA ? aAt : bAt,
          scratch,
          outer.length,
          isA ? outer.aStep : outer.bStep,
          spread.inner.length,
          0,
        );
        if (isA) aAt = scratch;
        else bAt = scratch;
      }
      assembly.binaryRows(
        operation,
        aAt,
        bAt,
        to,
        rows.length,
        rowLength,
        rows.aStep * 4,
        rows.bStep * 4,
        inner.aStep,
        inner.bStep,
      );
      to += rows.length * rowLength * 4;
      for (let i = axes.length - 1; i >= 0; i--) {
        index[i] = (index[i] as number) + 1;
        if ((index[i] as number) < (axes[i] as Axis).length) break;
        index[i] = 0;
      }
    }
    return out;
  }
  return { name, run };
}

/** Codes as in assembly/binary.ts. */
export const arithmeticKernels: readonly TrainingKernel[] = [
  "Add",
  "Sub",
  "Multiply",
  "RealDiv",
  "SquaredDifference",
].map(arithmetic);
