// What a child process writes and how it ends, once it has ended.

/** @returns {Promise<{ code: number | null, stdout: string, stderr: string }>} */
export function outputOf(child) {
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (data) => {
      text[name] += data;
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, ...text })));
}
