import type { Sql } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { KillView } from "./kill-contract.ts";
import { readKill, readKilledSessions } from "./kill-store.ts";

/** Most of the sessions that are not flat that stand in a kill's answer. */
const MOST_NOT_FLAT = 100;

/** How far a kill has come. NOT_FOUND: there is none. */
export async function viewOf(sql: Sql, id: string): Promise<KillView> {
  const summary = await readKill(sql, id);
  if (summary === null) throw noKill();
  const of = { killId: id, afterId: "", limit: MOST_NOT_FLAT, notFlat: true };
  return { ...summary, notFlat: await readKilledSessions(sql, of) };
}

export function noKill(): AppError {
  return new AppError("NOT_FOUND", "permanent", "There is no such kill.");
}
