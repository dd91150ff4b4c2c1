/** What the system means by its error codes, in words. */

type Reason = readonly [reason: string, remedy: string];

const ALWAYS: Readonly<Record<string, Reason>> = {
  EACCES: ["permission is denied", "change its permissions, or choose another place"],
  EPERM: ["the system does not allow it", "choose another place"],
  ENOSPC: ["the disk is full", "make room there, or choose another place"],
  EDQUOT: ["the disk quota is used up", "make room there, or choose another place"],
  EROFS: ["the file system is read-only", "choose another place"],
  EISDIR: ["it is a folder", "name a file"],
  ENOTDIR: ["a part of its path is a file", "correct the path"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter one"],
  ELOOP: ["its links lead in a circle", "correct the links"],
  EMFILE: ["too many files are open", "raise ulimit -n, or run fewer peers"],
  ENFILE: ["too many files are open", "close other programs"],
  EFBIG: ["the file is too large for the file system", "choose another place"],
  EIO: ["the disk fails", "check it, or choose another place"],
  EBUSY: ["something else uses it", "choose another place"],
};

const READING: Readonly<Record<string, Reason>> = {
  ENOENT: ["there is no such file or folder", "correct the path"],
};

const WRITING: Readonly<Record<string, Reason>> = {
  ENOENT: ["its folder does not exist", "make it first, or choose another place"],
  EEXIST: ["something of that name exists already", "choose another place"],
};

const NO_FOLDER_THERE: Reason = ["no folder can be made there", "choose another place"];

function reasonOf(error: unknown, others: Readonly<Record<string, Reason>>): Reason | undefined {
  const { code = "", syscall } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && syscall === "mkdir") return NO_FOLDER_THERE;
  return others[code] ?? ALWAYS[code];
}

/** The first line of an error that is not the system's. */
const firstLine = (error: unknown): string => String((error as Error)?.message ?? error).split("\n")[0]!;

/** Whether an error is the system's and names a file. */
export function isOfFile(error: unknown): error is NodeJS.ErrnoException & { readonly path: string } {
  const { path, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof path === "string" && syscall !== undefined;
}

/** Why something cannot be read, without what to do. */
export function whyUnread(error: unknown): string {
  return reasonOf(error, READING)?.[0] ?? firstLine(error);
}

/** Why something cannot be read, and what to do. */
export function unread(error: unknown): string {
  return reasonOf(error, READING)?.join("; ") ?? firstLine(error);
}

/** Why something cannot be written, without what to do. */
export function whyUnwritten(error: unknown): string {
  return reasonOf(error, WRITING)?.[0] ?? firstLine(error);
}

/** Why something cannot be written, and what to do. */
export function unwritten(error: unknown): string {
  return reasonOf(error, WRITING)?.join("; ") ?? firstLine(error);
}
