// What the compiled module exports: one line per family.
export * from "./vector";
export * from "./sign";
