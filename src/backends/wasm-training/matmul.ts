import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { backend_util } from "@tensorflow/tfjs-core";
import { activated, isUnknownActivation, tileActivation } from "./activation.js";
import type { Context } from "./context.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

/** Products of every orientation, batched with broadcasting, bias added and activation applied in the same pass. */
function run(context: Context, inputs: NamedTensorInfoMap, attributes: NamedAttrMap): TensorInfo | undefined {
  const a = input(inputs, "a");
  const b = input(inputs, "b");
  const { bias } = inputs;
  if (isUnknownActivation(attributes) || !isFloat(a, b)) return undefined;
  const { transposeA, transposeB } = attributes as { transposeA?: boolean; transposeB?: boolean };
  const aRows = a.shape.at(-2) as number;
  const aColumns = a.shape.at(-1) as number;
  const rows = transposeA ? aColumns : aRows;
  const depth = transposeA ? aRows : aColumns;
  const columns = b.shape.at(transposeB ? -2 : -1) as number;
  if (bias && !(bias.shape.length === 1 && bias.shape[0] === columns && isFloat(bias))) return undefined;

  const aOuter = a.shape.slice(0, -2);
  const bOuter = b.shape.slice(0, -2);
  const outer = backend_util.assertAndGetBroadcastShape(aOuter, bOuter);
  const batch = sizeOf(outer);
  const aBatch = sizeOf(aOuter);
  const bBatch = sizeOf(bOuter);
  // One matrix for the whole batch, or one each; what lies between goes to tfjs's own kernel.
  if ((aBatch !== batch && aBatch !== 1) || (bBatch !== batch && bBatch !== 1)) return undefined;

  const out = context.output([...outer, rows, columns]);
  const { assembly } = context;
  if (batch * rows * columns === 0) return out;
  if (depth === 0 && bias) return undefined;
  if (depth === 0) {
    assembly.zero(context.address(out), batch * rows * columns * 4);
    return out;
  }
  // A batch of A against one B is one tall product.
  const tall = bBatch === 1 && !transposeA && aBatch === batch;
  const scratch = context.scratch(assembly.matMulScratchBytes(columns, depth));
  assembly.matMul(
    context.address(a),
    context.address(b),
    context.address(out),
    tall ? 1 : batch,
    tall ? batch * rows : rows,
    columns,
    depth,
    aBatch === 1 ? 0 : rows * depth * 4,
    bBatch === 1 ? 0 : columns * depth * 4,
    transposeA ? 1 : 0,
    transposeB ? 1 : 0,
    bias ? context.address(bias) : 0,
    tileActivation(attributes),
    scratch,
  );
  return activated(context, out, inputs, attributes);
}

export const batchMatMul: TrainingKernel = { name: "BatchMatMul", run };
export const fusedMatMul: TrainingKernel = { name: "_FusedMatMul", run };
