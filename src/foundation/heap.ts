/** A binary heap whose entries know their place, so that any of them can be removed in O(log n). */
export interface HeapEntry {
  /** Kept by the heap; −1 once the entry has left it. */
  place: number;
}

export interface Heap<Entry extends HeapEntry> {
  add(entry: Entry): void;
  /** Removes and returns the first entry. */
  take(): Entry | undefined;
  /** @returns whether the entry was there */
  remove(entry: Entry): boolean;
}

/** @param isBefore a strict total order */
export function createHeap<Entry extends HeapEntry>(isBefore: (a: Entry, b: Entry) => boolean): Heap<Entry> {
  const entries: Entry[] = [];

  const put = (entry: Entry, place: number): void => {
    entries[place] = entry;
    entry.place = place;
  };
  const rise = (entry: Entry, from: number): void => {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!isBefore(entry, entries[above]!)) break;
      put(entries[above]!, place);
      place = above;
    }
    put(entry, place);
  };
  const sink = (entry: Entry, from: number): void => {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= entries.length) break;
      if (below + 1 < entries.length && isBefore(entries[below + 1]!, entries[below]!)) below++;
      if (!isBefore(entries[below]!, entry)) break;
      put(entries[below]!, place);
      place = below;
    }
    put(entry, place);
  };
  const remove = (entry: Entry): boolean => {
    const { place } = entry;
    if (entries[place] !== entry) return false;
    const last = entries.pop()!;
    entry.place = -1;
    if (last === entry) return true;
    rise(last, place);
    sink(last, last.place);
    return true;
  };

  return {
    add(entry) {
      entries.push(entry);
      rise(entry, entries.length - 1);
    },
    take() {
      const first = entries[0];
      if (first) remove(first);
      return first;
    },
    remove,
  };
}
