// A command with a bar while everything writes: results, messages, libraries, and halves of lines.
import { note, print, progress, warn } from "../../dist/cli/console.js";

const bar = progress("noisy", 4);
bar.update(1, "");
note("note 1");
bar.update(2, "training loss 0.5, accuracy 50.0 %");
print("result 1");
console.warn("library 1");
process.stderr.write("half ");
bar.remark(
  "peer 0 waits for peer 1, which waits for peer 2, which waits for peer 3, and all of that is too long",
);
process.stderr.write("and half\n");
warn(`long ${"x".repeat(100)}`);
bar.update(4, "the end");
process.stdout.write(Buffer.from("bytes 1\nbytes 2\n"));
bar.stop();
note("after");
bar.stop();
process.stderr.write("prompt");
