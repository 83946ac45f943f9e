const PRIVATE = 0o077;
const USUAL = 0o022;

/** What this process and those it starts write from now on can be read by this user alone. */
export function keepFilesPrivate(): void {
  process.umask(PRIVATE);
}

/** Runs something whose files others have to read too, such as a system's package manager or another user's server. */
export function withUsualModes<Result>(run: () => Result): Result {
  const before = process.umask(USUAL);
  try {
    return run();
  } finally {
    process.umask(before);
  }
}
