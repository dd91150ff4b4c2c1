// Element by element arithmetic of two tensors, one of which may repeat along an axis.

const ADD: i32 = 0;
const SUBTRACT: i32 = 1;
const MULTIPLY: i32 = 2;
const DIVIDE: i32 = 3;
const SQUARED_DIFFERENCE: i32 = 4;

@inline
function four(operation: i32, x: v128, y: v128): v128 {
  if (operation == ADD) return f32x4.add(x, y);
  if (operation == SUBTRACT) return f32x4.sub(x, y);
  if (operation == MULTIPLY) return f32x4.mul(x, y);
  if (operation == DIVIDE) return f32x4.div(x, y);
  const d = f32x4.sub(x, y);
  return f32x4.mul(d, d);
}

@inline
function one(operation: i32, x: f32, y: f32): f32 {
  if (operation == ADD) return x + y;
  if (operation == SUBTRACT) return x - y;
  if (operation == MULTIPLY) return x * y;
  if (operation == DIVIDE) return x / y;
  return (x - y) * (x - y);
}

// The operation is a constant wherever this is inlined, so that no loop asks which one it is.
@inline
function row(operation: i32, a: usize, b: usize, out: usize, length: usize, aSteps: bool, bSteps: bool): void {
  let k: usize = 0;
  if (aSteps && bSteps) {
    for (; k + 8 <= length; k += 8) {
      const p = k << 2;
      v128.store(out + p, four(operation, v128.load(a + p), v128.load(b + p)));
      v128.store(out + p, four(operation, v128.load(a + p, 16), v128.load(b + p, 16)), 16);
    }
    for (; k < length; k++) {
      const p = k << 2;
      store<f32>(out + p, one(operation, load<f32>(a + p), load<f32>(b + p)));
    }
  } else if (aSteps) {
    const y = load<f32>(b);
    const ys = f32x4.splat(y);
    for (; k + 4 <= length; k += 4) {
      const p = k << 2;
      v128.store(out + p, four(operation, v128.load(a + p), ys));
    }
    for (; k < length; k++) {
      const p = k << 2;
      store<f32>(out + p, one(operation, load<f32>(a + p), y));
    }
  } else {
    const x = load<f32>(a);
    const xs = f32x4.splat(x);
    for (; k + 4 <= length; k += 4) {
      const p = k << 2;
      v128.store(out + p, four(operation, xs, v128.load(b + p)));
    }
    for (; k < length; k++) {
      const p = k << 2;
      store<f32>(out + p, one(operation, x, load<f32>(b + p)));
    }
  }
}

@inline
function rows(
  operation: i32, a: usize, b: usize, out: usize, count: usize, length: usize,
  aRowBytes: usize, bRowBytes: usize, aSteps: bool, bSteps: bool,
): void {
  for (; count > 0; count--) {
    row(operation, a, b, out, length, aSteps, bSteps);
    a += aRowBytes;
    b += bRowBytes;
    out += length << 2;
  }
}

/**
 * out[r][k] = a ∘ b for `count` rows of `length`. Row r of an operand begins r·…RowBytes on (0: every row is the same)
 * and goes on by one number per element, or, where …Steps is 0, is one number for all of the row.
 */
export function binaryRows(
  operation: i32, a: usize, b: usize, out: usize, count: usize, length: usize,
  aRowBytes: usize, bRowBytes: usize, aSteps: bool, bSteps: bool,
): void {
  switch (operation) {
    case ADD: rows(ADD, a, b, out, count, length, aRowBytes, bRowBytes, aSteps, bSteps); break;
    case SUBTRACT: rows(SUBTRACT, a, b, out, count, length, aRowBytes, bRowBytes, aSteps, bSteps); break;
    case MULTIPLY: rows(MULTIPLY, a, b, out, count, length, aRowBytes, bRowBytes, aSteps, bSteps); break;
    case DIVIDE: rows(DIVIDE, a, b, out, count, length, aRowBytes, bRowBytes, aSteps, bSteps); break;
    default: rows(SQUARED_DIFFERENCE, a, b, out, count, length, aRowBytes, bRowBytes, aSteps, bSteps);
  }
}

/** to[i][k] = from[i·outerStep + k·innerStep]; steps in numbers. */
export function expand(
  from: usize, to: usize, outer: usize, outerStep: usize, inner: usize, innerStep: usize,
): void {
  for (let i: usize = 0; i < outer; i++) {
    let p = from + ((i * outerStep) << 2);
    for (let k: usize = 0; k < inner; k++) {
      store<f32>(to, load<f32>(p));
      p += innerStep << 2;
      to += 4;
    }
  }
}
