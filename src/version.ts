/** The version of this package, as in package.json. Peers of one run must have the same. */
export const VERSION = "0.1.0";

/** The name of this package on npm, as in package.json; the command is `murmur`. */
export const PACKAGE = "murmuration-train";
