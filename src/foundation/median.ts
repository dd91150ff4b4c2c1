/** The lower median of any number of values, by sorting a copy; 0 of none. */
export function medianOf(values: Iterable<number>): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[(sorted.length - 1) >> 1] ?? 0;
}

/**
 * The lower median of the first `count` numbers; 0 of none. By counting, which allocates nothing: for the few numbers
 * that a peer has of each neighbour.
 */
export function lowerMedian(values: ArrayLike<number>, count = values.length): number {
  const rank = (count - 1) >> 1;
  for (let k = 0; k < count; k++) {
    let smaller = 0;
    let equal = 0;
    for (let other = 0; other < count; other++) {
      if (values[other]! < values[k]!) smaller++;
      else if (values[other] === values[k]) equal++;
    }
    if (smaller <= rank && rank < smaller + equal) return values[k]!;
  }
  return 0;
}
