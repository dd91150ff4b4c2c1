/** Every layer against its own differences, one row a layer. */
import { checkLayer, GRADIENT_TOLERANCE, type LayerCase, OUTPUT_TOLERANCE, scoped } from "./check.js";
import { convolutionCases } from "./convolutions.js";
import { otherCases } from "./others.js";
import { poolingCases } from "./pooling.js";

export const layerCases: readonly LayerCase[] = [...otherCases, ...convolutionCases, ...poolingCases];

const SEED = 1;

export interface CaseResult {
  readonly subject: LayerCase;
  /** Worst relative error of a gradient. */
  readonly gradient: number;
  readonly output: number;
  /** What is wrong, one line; absent where nothing is. */
  readonly problem?: string;
}

/** A case on the active backend. A refused one is right where it throws, and wrong where it does not. */
export function resultOf(subject: LayerCase): CaseResult {
  try {
    const { gradients, output } = scoped(() => checkLayer(subject, SEED));
    const wrong = Object.entries(gradients).filter(([, error]) => !(error <= GRADIENT_TOLERANCE));
    const problems = [
      ...(subject.refused ? ["is not refused"] : []),
      ...wrong.map(([name, error]) => `gradient of ${name} off by ${error.toExponential(1)}`),
      ...(output <= OUTPUT_TOLERANCE ? [] : [`output off by ${output.toExponential(1)}`]),
    ];
    return {
      ...{ subject, gradient: Math.max(0, ...Object.values(gradients)), output },
      ...(problems.length > 0 && { problem: problems.join(", ") }),
    };
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    return { subject, gradient: 0, output: 0, ...(!subject.refused && { problem: `throws: ${reason}` }) };
  }
}

export interface Row {
  readonly layer: string;
  readonly cases: number;
  readonly gradient: number;
  readonly output: number;
  readonly verdict: "right" | "refused" | "wrong";
  /** One line a case that is wrong. */
  readonly problems: readonly string[];
}

/** What a sweep of these cases comes to on the active backend. */
export function sweep(cases: readonly LayerCase[] = layerCases): Row[] {
  const byLayer = new Map<string, CaseResult[]>();
  for (const subject of cases) {
    byLayer.set(subject.layer, [...(byLayer.get(subject.layer) ?? []), resultOf(subject)]);
  }
  return [...byLayer].map(([layer, results]) => {
    const problems = results.flatMap(({ subject, problem }) =>
      problem ? [`${layer} (${subject.about}): ${problem}`] : [],
    );
    const isRefused = results.every(({ subject }) => subject.refused);
    return {
      ...{ layer, cases: results.length, problems },
      gradient: Math.max(...results.map(({ gradient }) => gradient)),
      output: Math.max(...results.map(({ output }) => output)),
      verdict: problems.length > 0 ? "wrong" : isRefused ? "refused" : "right",
    };
  });
}
