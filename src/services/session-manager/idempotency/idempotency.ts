import { z } from "zod";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { sessionSchema } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { claimKey, type KeyRow, type KeyScope, keepAnswer, readKey, removeKeys } from "./idempotency-store.ts";

/** An answer as it is given, and given again under the same key. */
export const answerSchema = z.object({
  status: z.number().int(),
  session: sessionSchema.nullable(),
  /** Of a bulk: the sessions that it was asked for. */
  ids: z.array(z.string()).optional(),
});
export type Answer = z.infer<typeof answerSchema>;

/** Answers under an Idempotency-Key. */
export interface IdempotencyKeys {
  /** The answer that was given under this key. Null: none yet. INVALID_INPUT (422): the key was used for something else. */
  find(scope: KeyScope): Promise<Answer | null>;
  /**
   * Runs a change once for a key: claims the key, runs it, keeps its answer, all in this transaction. A concurrent
   * duplicate waits for this transaction and then gets its answer. A change that throws leaves no trace.
   */
  once(tx: Tx, scope: KeyScope | null, change: () => Promise<Answer>): Promise<Answer>;
  /** Removes the keys that are over. */
  sweep(): Promise<void>;
}

/** The keys over Postgres, each kept for `keepMs`. */
export function createIdempotencyKeys(db: Db, clock: Clock, keepMs: number): IdempotencyKeys {
  const overAtMs = () => clock.nowMs() - keepMs;
  return {
    find: async (scope) => answerOf(await readKey(db.sql, scope, overAtMs()), scope),
    async once(tx, scope, change) {
      if (scope === null) return change();
      if (!(await claimKey(tx, scope, { nowMs: clock.nowMs(), overAtMs: overAtMs() }))) {
        const given = answerOf(await readKey(tx.sql, scope), scope);
        if (given !== null) return given;
        throw new AppError("SERVICE_UNAVAILABLE", "transient", "The key was let go at this moment: send it again.");
      }
      const answer = await change();
      await keepAnswer(tx, scope, answer);
      return answer;
    },
    sweep: () => removeKeys(db.sql, overAtMs()),
  };
}

function answerOf(row: KeyRow | null, { fingerprint }: KeyScope): Answer | null {
  if (row === null) return null;
  if (row.fingerprint === fingerprint) return answerSchema.parse(row.answer);
  throw new AppError(
    "INVALID_INPUT",
    "permanent",
    "This Idempotency-Key was used for a request with another content.",
    {
      details: { errors: [{ field: "headers.idempotency-key", message: "must be a new one for a new request" }] },
    },
  );
}
