/** Keeps what was made last, for as long as the same is asked for. @param key JSON by which it is told from others */
export function lastOf<Value>(): (key: unknown, make: () => Value) => Value {
  let last: { readonly key: string; readonly value: Value } | undefined;
  return (key, make) => {
    const text = JSON.stringify(key);
    if (last?.key !== text) last = { key: text, value: make() };
    return last.value;
  };
}
