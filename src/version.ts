/** The version of this package, as in package.json. Peers of one run must have the same. */
export const VERSION = "0.1.0";
