import { setFlagsFromString } from "node:v8";

/**
 * For a process whose work is a peer: V8 stays with the young generation it starts with. Frames arrive in buffers
 * outside of V8's heap, which are freed when the young generation is collected. One that has grown is collected so seldom
 * that those buffers pile up, until V8 stops the process to collect all of its heap, again and again.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
