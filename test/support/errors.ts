/** What tests say of errors: their class, code and fields. The sentences are in test/sentences.txt. */

import { expect } from "vitest";
import type { MurmurationError } from "../../src/foundation/errors.js";
import type { Eventually } from "../../src/foundation/eventually.js";

export type ErrorClass<E extends MurmurationError> = new (...parameters: never[]) => E;

/** Fields that the error must have; those left out may have any value. */
export type Expected = Partial<Pick<MurmurationError, "code" | "peer" | "neighbour" | "round" | "field">>;

/** Asserts the class, the fields and a message of one line. @returns the error */
export function checkError<E extends MurmurationError>(
  error: unknown,
  Class: ErrorClass<E>,
  expected: Expected = {},
): E {
  expect(error).toBeInstanceOf(Class);
  const typed = error as E;
  expect(typed.message).toMatch(/^[^\r\n]+$/);
  expect(typed).toMatchObject(expected);
  expect(typed.code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  return typed;
}

/** Asserts that a call throws this error. @returns the error */
export function expectError<E extends MurmurationError>(
  act: () => unknown,
  Class: ErrorClass<E>,
  expected: Expected = {},
): E {
  let error: unknown;
  try {
    act();
  } catch (thrown) {
    error = thrown;
  }
  return checkError(error, Class, expected);
}

/** Asserts that a promise is rejected with this error. @returns the error */
export async function expectRejection<E extends MurmurationError>(
  promise: Eventually<unknown>,
  Class: ErrorClass<E>,
  expected: Expected = {},
): Promise<E> {
  const error = await Promise.resolve(promise).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return checkError(error, Class, expected);
}
