/**
 * Values that may be there at once. Peers of a simulation share a thread, and each `await` gives the turn to all others, whose
 * memory then takes the place of this one's in the caches: what is there goes on without one.
 */
export type Eventually<Value> = Value | Promise<Value>;

/** Goes on with the value: at once where it is there. */
export function whenThere<Value, Result>(
  value: Eventually<Value>,
  goOn: (value: Value) => Eventually<Result>,
): Eventually<Result> {
  return value instanceof Promise ? value.then(goOn) : goOn(value);
}
