import { createHash } from "node:crypto";
import { z } from "zod";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { sessionSchema } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** An answer as it is given, and given again under the same key. */
export const answerSchema = z.object({ status: z.number().int(), session: sessionSchema.nullable() });
export type Answer = z.infer<typeof answerSchema>;

/** Whose key it is and what it was used for. */
export interface KeyScope {
  caller: string;
  /** Method and path, ids included. */
  route: string;
  key: string;
  /** Of the request's content: the same key with another content is refused. */
  fingerprint: string;
}

interface KeyRow {
  fingerprint: string;
  answer: unknown;
}

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
  const over = () => clock.nowMs() - keepMs;
  return {
    async find({ caller, route, key, fingerprint }) {
      const rows = await db.sql<KeyRow[]>`
        select fingerprint, answer from session_manager.idempotency_keys
        where caller = ${caller} and route = ${route} and key = ${key} and created_at_ms > ${over()}`;
      return answerOf(rows[0], fingerprint);
    },
    async once(tx, scope, change) {
      if (scope === null) return change();
      const { caller, route, key, fingerprint } = scope;
      // A row of a transaction that still runs is waited for here; one that is over is taken again.
      const claimed = await tx.sql`
        insert into session_manager.idempotency_keys as kept (caller, route, key, fingerprint, answer, created_at_ms)
        values (${caller}, ${route}, ${key}, ${fingerprint}, null, ${clock.nowMs()})
        on conflict (caller, route, key) do update
          set fingerprint = excluded.fingerprint, answer = null, created_at_ms = excluded.created_at_ms
          where kept.created_at_ms <= ${over()}
        returning 1`;
      if (claimed.length === 0) {
        const rows = await tx.sql<KeyRow[]>`
          select fingerprint, answer from session_manager.idempotency_keys
          where caller = ${caller} and route = ${route} and key = ${key}`;
        const answer = answerOf(rows[0], fingerprint);
        if (answer !== null) return answer;
        throw new AppError("SERVICE_UNAVAILABLE", "transient", "The key was let go at this moment: send it again.");
      }
      const answer = await change();
      await tx.sql`
        update session_manager.idempotency_keys set answer = ${tx.sql.json(answer as unknown as Parameters<typeof tx.sql.json>[0])}
        where caller = ${caller} and route = ${route} and key = ${key}`;
      return answer;
    },
    async sweep() {
      await db.sql`delete from session_manager.idempotency_keys where created_at_ms <= ${over()}`;
    },
  };
}

function answerOf(row: KeyRow | undefined, fingerprint: string): Answer | null {
  if (row === undefined) return null;
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

/** SHA-256 of a JSON value, the same whatever the order of its keys. */
export function fingerprintOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value, sortedKeys)).digest("hex");
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
