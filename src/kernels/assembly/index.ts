// What the compiled module exports: one line per family.
export * from "./vector";
export * from "./sign";
export * from "./onebit";
export * from "./float16";
export * from "./topk";
export * from "./minmax";
export * from "./qsgd";
export { naturalAddTo, naturalSqueeze } from "./natural";
export * from "./dithering";
export * from "./race";
export * from "./randomk";
export * from "./rotate";
export * from "./ternary";
export * from "./entropy";
export * from "./optimizers";
export { workIn } from "./room";

/** First byte that the module's own data leaves free. */
export function endOfData(): usize {
  return __heap_base;
}
