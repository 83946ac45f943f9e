import { AppError } from "./app-error.ts";

/** How something failed, as code and sentence; "nothing" where it did not. To be awaited: an assertion on it then waits too. */
export const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "nothing",
    (error: unknown) => (error instanceof AppError ? `${error.code}: ${error.message}` : String(error)),
  );
