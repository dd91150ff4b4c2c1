/** Which of the two sets of kernels computes: the usual one, or a faster one whose results have other last bits. */

let isFast = false;

export function isFastMath(): boolean {
  return isFast;
}

/** What `pass` returns, which computes without waiting, on fast kernels or the usual ones. */
export function withMath<Result>(fast: boolean, pass: () => Result): Result {
  const before = isFast;
  isFast = fast;
  try {
    return pass();
  } finally {
    isFast = before;
  }
}
