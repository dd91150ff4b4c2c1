// What the memory itself can do, for bench-kernels to hold the kernels against: WebAssembly with nothing but the access.
import asc from "assemblyscript/asc";

const SOURCE = `
export function copy(to: usize, from: usize, bytes: usize): void {
  memory.copy(to, from, bytes);
}

/** Σ of the numbers at \`count\` addresses. */
export function sumAt(addresses: usize, count: usize): f32 {
  let sum: f32 = 0;
  for (let end = addresses + (count << 2); addresses < end; addresses += 4) sum += load<f32>(load<u32>(addresses));
  return sum;
}

/** Adds one number each to those at \`count\` addresses. */
export function addAt(addresses: usize, count: usize, values: usize): void {
  for (let end = addresses + (count << 2); addresses < end; addresses += 4, values += 4) {
    const address = <usize>load<u32>(addresses);
    store<f32>(address, load<f32>(address) + load<f32>(values));
  }
}
`;

const { error, binary, stderr } = await asc.compileString(SOURCE, {
  optimizeLevel: 3,
  runtime: "stub",
  importMemory: true,
  noAssert: true,
  enable: ["bulk-memory"],
});
if (error) throw new Error(`the bare kernels do not compile: ${stderr}`);
const module = new WebAssembly.Module(binary);

/** The functions above, over a memory that is not shared. */
export function createBareKernels(memory) {
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}
