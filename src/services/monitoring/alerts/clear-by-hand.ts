import { isOpen, kindOf } from "#shared/alerts/open-alerts.ts";
import { clearAlert } from "#shared/alerts/raise-alert.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";

/**
 * Clears an alert of something that has happened, for a person who has dealt with it.
 *
 * @throws NOT_FOUND where none is open; CONFLICT where it ends by itself
 */
export async function clearByHand(
  deps: Pick<Deps, "db" | "bus" | "alertKinds" | "clock" | "log">,
  { scope, code, reason }: { scope: string; code: string; reason: string },
): Promise<void> {
  const kind = kindOf(deps.alertKinds, code);
  const byItself = kind.ends === "condition";
  if (byItself && (await isOpen(deps.db, scope, code))) {
    const text = `${code} ends by itself, once what it tells of is over. ${kind.toDo}`;
    throw new AppError("CONFLICT", "permanent", text, { details: { scope, code } });
  }
  const cleared = !byItself && (await deps.db.transaction((tx) => clearAlert(tx, deps, { scope, kind })));
  if (!cleared) throw new AppError("NOT_FOUND", "permanent", "No alert of this scope and code is open.");
  deps.log.info({ scope, code, reason }, "alert cleared by a person");
}
