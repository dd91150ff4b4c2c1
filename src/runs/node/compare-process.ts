/** A process for one run of a comparison: it receives the cell over the IPC channel, and sends the result. */
import type { Cell } from "../comparison.js";
import { runCell } from "./compare-cell.js";

process.once("message", async (cell: Cell) => {
  const result = await runCell(cell);
  process.send!(result, () => process.disconnect());
});
