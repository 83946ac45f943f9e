import { type BulkAnswer, type BulkWish, MOST_IN_BULK } from "#services/session-manager/contract.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { invalidInput } from "#shared/errors/field-error.ts";
import type { CommandDeps, Commands } from "./commands.ts";
import type { Conditions } from "./conditions.ts";

/** So many sessions are asked at once: a bulk leaves room for the others. */
const AT_ONCE = 8;

/**
 * Asks one action of many sessions, each in a transaction of its own: what one refuses keeps no other from it. Under an
 * Idempotency-Key the sessions that a filter fitted stay the same, and at each the action is done once; what failed, or was
 * refused, is tried again when the request comes again.
 *
 * @throws AppError INVALID_INPUT (422) where a filter fits more than a bulk takes
 */
export async function actOnMany(
  context: CommandDeps,
  commands: Pick<Commands, "act">,
  { wish, conditions }: { wish: BulkWish; conditions: Conditions },
): Promise<BulkAnswer> {
  const ids = await chosen(context, wish, conditions);
  const items: BulkAnswer["items"] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    items.push(...(await Promise.all(some.map((id) => actOnOne(commands, id, { wish, conditions })))));
  }
  const count = (outcome: BulkAnswer["items"][number]["outcome"]) =>
    items.filter((item) => item.outcome === outcome).length;
  return { done: count("done"), refused: count("refused"), failed: count("failed"), items };
}

/** Which sessions are meant, kept under the key before any is asked. */
async function chosen(context: CommandDeps, wish: BulkWish, { scope }: Conditions): Promise<string[]> {
  const { keys, store, deps } = context;
  const answer = await deps.db.transaction((tx) =>
    keys.once(tx, scope, async () => {
      const ids = wish.ids ?? (await store.matching(tx, wish.filter ?? {}, MOST_IN_BULK + 1));
      if (ids.length > MOST_IN_BULK) {
        const message = `fits more than ${MOST_IN_BULK} sessions: narrow it, or ask several times`;
        throw invalidInput([{ field: "filter", message }]);
      }
      return { status: 200, session: null, ids: [...new Set(ids)] };
    }),
  );
  return answer.ids ?? [];
}

async function actOnOne(
  commands: Pick<Commands, "act">,
  id: string,
  { wish, conditions }: { wish: BulkWish; conditions: Conditions },
): Promise<BulkAnswer["items"][number]> {
  const { action, stopPolicy } = wish;
  const { caller, scope } = conditions;
  const own = {
    caller,
    ifMatch: undefined,
    scope: scope === null ? null : { ...scope, route: `${scope.route} ${id}` },
  };
  try {
    const { session } = await commands.act(id, { action, stopPolicy }, own);
    return { id, outcome: "done", state: session?.state ?? null, code: null, detail: null };
  } catch (error) {
    // A fault of ours is no word about the session.
    if (!(error instanceof AppError) || error.code === "INTERNAL") throw error;
    const outcome = error.kind === "permanent" ? "refused" : "failed";
    return { id, outcome, state: null, code: error.code, detail: error.message };
  }
}
