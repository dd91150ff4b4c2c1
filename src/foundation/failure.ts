/** Errors that cross from one thread to another. */
import * as errors from "./errors.js";

/** An error as messages have it: classes do not survive them. */
export interface Failure {
  /** Of the error's class. */
  readonly name: string;
  readonly message: string;
  /** Undefined for an error that nobody foresaw. */
  readonly details: errors.ErrorDetails | undefined;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "", message: String(error), details: undefined };
  const { name, message } = error;
  const details = error instanceof errors.MurmurationError ? errors.detailsOf(error) : undefined;
  return { name, message, details };
}

type ErrorClass = new (message: string, details: errors.ErrorDetails) => errors.MurmurationError;

/** The error again; undefined for one that nobody foresaw. */
export function errorOf({ name, message, details }: Failure): errors.MurmurationError | undefined {
  if (!details) return undefined;
  const Class = (errors as unknown as Readonly<Record<string, ErrorClass>>)[name];
  return new (Class ?? errors.MurmurationError)(message, details);
}
