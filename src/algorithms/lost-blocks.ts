import type { Sighting } from "../algorithm.js";

/** Share of lost blocks above which there is a warning. */
const MANY = 0.1;

/** How many blocks of the neighbours' payloads were not mixed, and a warning where they are many. */
export interface LostBlocks {
  /** Counts since the last sighting. */
  readonly scalars: { judged: number; lost: number };
  see(isLost: boolean): void;
  observe(): Sighting;
}

export function createLostBlocks(): LostBlocks {
  const scalars = { judged: 0, lost: 0 };
  return {
    scalars,
    see(isLost) {
      scalars.judged++;
      if (isLost) scalars.lost++;
    },
    observe() {
      const share = scalars.judged === 0 ? 0 : scalars.lost / scalars.judged;
      Object.assign(scalars, { judged: 0, lost: 0 });
      if (share <= MANY) return {};
      const percent = (100 * share).toFixed(0);
      return {
        warnings: [
          `${percent} % of the neighbours' blocks did not verify and were not mixed: models move too far in a round; lower the learning rate`,
        ],
      };
    },
  };
}
