/** What the script `check-gradients.mjs` calls. */
import * as tf from "@tensorflow/tfjs-core";
import { correctKernels } from "../../../src/backends/corrections/index.js";
import { backends, silenceAdvertisement } from "../../../src/backends/index.js";
import { missingPackages } from "../../../src/backends/installed.js";
import { completeTensors } from "../../../src/backends/tensor-methods.js";
import { type Row, sweep } from "./sweep.js";

export interface BackendRows {
  readonly backend: string;
  readonly rows: readonly Row[];
  readonly seconds: number;
}

/** A sweep on each backend that is named; on each that starts here where none is. */
export async function* sweepBackends(names: readonly string[]): AsyncGenerator<BackendRows> {
  completeTensors(tf);
  for (const kind of backends) {
    const isNamed = names.includes(kind.name);
    if (names.length > 0 && !isNamed) continue;
    if (!isNamed && (await missingPackages(kind.packages)).length > 0) continue;
    await kind.start(isNamed);
    correctKernels(kind.name);
    silenceAdvertisement(tf);
    const start = performance.now();
    const rows = sweep();
    yield { backend: kind.name, rows, seconds: (performance.now() - start) / 1000 };
  }
}
