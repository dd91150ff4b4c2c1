/** Whether this is Node, or something that passes for it; a browser has no files and no `node_modules`. */
export function isNode(): boolean {
  return typeof process !== "undefined" && typeof process.versions?.node === "string";
}
