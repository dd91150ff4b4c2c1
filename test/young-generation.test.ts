import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

/** Bytes of the young generation of a process that has made millions of objects and kept each for a while. */
function youngGenerationBytes(before: string): number {
  const program = `
    import { getHeapSpaceStatistics } from "node:v8";
    ${before}
    let kept = [];
    for (let k = 0; k < 3_000_000; k++) {
      if (k % 300_000 === 0) kept = [];
      kept.push({ k });
    }
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);`;
  return Number(execFileSync(process.execPath, ["--input-type=module", "--eval", program]));
}

it("a peer's process keeps the young generation that it starts with, where others' grows", () => {
  const url = new URL("../dist/runs/node/young-generation.js", import.meta.url).href;
  const small = `(await import(${JSON.stringify(url)})).keepYoungGenerationSmall();`;
  expect(youngGenerationBytes(small)).toBeLessThan(youngGenerationBytes("") / 4);
});
