/** What the operating system may refuse to anyone, and what a person can do about it. */
const REFUSALS: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full",
  EDQUOT: "The disk's quota is used up",
  EROFS: "The disk is read-only",
  EIO: "The disk does not work",
  EACCES: "Permission is missing",
  EPERM: "Permission is missing",
  EMFILE: "Too many files are open",
  ENFILE: "Too many files are open",
};

/** What the operating system refused, in a sentence: no space, no permission. Null: the error is of another kind. */
export function systemRefusal(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  const what = REFUSALS[error.code];
  return what === undefined ? null : `${what}: ${error.message.replace(/\.$/, "")}.`;
}
