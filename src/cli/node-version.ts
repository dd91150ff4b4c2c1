/** The first major version of Node that runs this package, as in `engines` of package.json. */
export const MINIMUM_NODE = 20;

/**
 * What is wrong with a version of Node, in one line; undefined where nothing is. Old versions parse this file, so its
 * syntax is old too.
 *
 * @param version such as `18.20.8`
 */
export function nodeProblem(version: string): string | undefined {
  if (Number.parseInt(version, 10) >= MINIMUM_NODE) return undefined;
  return `murmur needs Node ${MINIMUM_NODE} or later, and this is Node ${version}: install a later one from https://nodejs.org`;
}
