// A row of the table: a published figure, ours, and how far ours may be from it.

/** ±d */
export const within = (d) => ({
  text: `± ${d}`,
  isMet: (ours, theirs) => Math.abs(ours - theirs) <= d,
});
/** Within a factor, either way: what depends on random draws. */
export const factor = (f) => ({
  text: `× ${f} either way`,
  isMet: (ours, theirs) => ours <= f * theirs && ours >= theirs / f,
});
/** Theirs is a bound, or less is better. */
export const atMost = (f = 1) => ({
  text: f === 1 ? "at most" : `at most × ${f}`,
  isMet: (ours, theirs) => ours <= f * theirs,
});
export const atLeast = (f = 1) => ({
  text: f === 1 ? "at least" : `at least × ${f}`,
  isMet: (ours, theirs) => ours >= f * theirs,
});
/** Theirs is a range. */
export const inside = {
  text: "inside",
  isMet: (ours, [low, high]) => ours >= low && ours <= high,
};

/** The figure comes from a simulation in float64 that its source describes. */
export const PROTOTYPE = "float64 prototype";
/** The figure follows from a formula. */
export const CLOSED_FORM = "closed form";

/** Exact but for the rounding of float32 models. */
export const FLOAT32_ROUNDING = "exact up to float32";

/** What is not a number is not met. */
export function row(figure, source, theirs, ours, tolerance) {
  return { figure, source, theirs, ours, tolerance: tolerance.text, isMet: tolerance.isMet(ours, theirs) };
}
