import type { OnUnreadable } from "#shared/db/reference-rows.ts";
import type { Deps } from "#shared/service/service.ts";

/**
 * Tells the log of rows of `reference` that cannot be read, once each with the same reason: they are read again and again, and
 * what they are of waits until someone mends them.
 */
export function createUnreadableRows({ log }: Pick<Deps, "log">): OnUnreadable {
  const told = new Set<string>();
  return ({ what, id, reason }) => {
    const key = `${what} ${id} ${reason}`;
    if (told.has(key)) return;
    told.add(key);
    log.error({ what, id, reason }, "a row of reference cannot be read and is left out");
  };
}
