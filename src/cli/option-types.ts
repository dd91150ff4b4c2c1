/** What commander checks option values with. */
import { InvalidArgumentError } from "commander";

/** A whole number from `minimum` to `maximum`. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
      const upTo = maximum === Number.MAX_SAFE_INTEGER ? "" : ` to ${maximum}`;
      throw new InvalidArgumentError(`must be a whole number from ${minimum}${upTo}`);
    }
    return value;
  };
}

export const peerNumber = wholeNumber(0);
export const portNumber = wholeNumber(1, 65_535);
/** A port to serve on; 0 takes a free one. */
export const portToServe = wholeNumber(0, 65_535);

/** `0,3,5` */
export function peerNumbers(text: string): number[] {
  return [...new Set(text.split(",").map((part) => peerNumber(part.trim())))];
}

/** Seconds, given as milliseconds. */
export function secondsOption(text: string): number {
  return 1000 * wholeNumber(1, 86_400)(text);
}
