/** Tables of each kind of target, from known functions of three columns. */
import { normal, random } from "../../src/foundation/random.js";

export const ROWS = 200;
/** Coefficients of `price`, before its noise: of the columns, and the constant. */
export const PRICE = { columns: [40_000, -15_000, 5_000], constant: 300_000 } as const;

const draws = random(7, "task-data");
const rows = Array.from({ length: ROWS }, (_, row) =>
  Array.from({ length: 4 }, (_, k) => Number(normal(draws, 4 * row + k).toFixed(3))),
);

const tableOf = (names: string, targetsOf: (row: readonly number[]) => readonly (string | number)[]) =>
  `${[names, ...rows.map((row) => [...row.slice(0, 3), ...targetsOf(row)].join(","))].join("\n")}\n`;

/** Two numbers of very different sizes. */
export const numbers = tableOf("a,b,c,price,rate", ([a, b, c, noise]) => [
  Math.round(PRICE.constant + 40_000 * a! - 15_000 * b! + 5_000 * c! + 2_000 * noise!),
  (0.01 * (b! + 0.3 * a! * c!) + 0.03).toFixed(5),
]);

/** One of two classes, with a boundary that is not sharp. */
export const binary = tableOf("a,b,c,ill", ([a, b, c, noise]) => [
  2 * a! - b! + c! + 0.5 * noise! > 0 ? "yes" : "no",
]);

/** Three properties, of which any number holds. */
export const marks = tableOf("a,b,c,red,big,old", ([a, b, c]) =>
  [a! + b! > 0, b! - c! > 0.3, a! + c! > 0.5].map(Number),
);
