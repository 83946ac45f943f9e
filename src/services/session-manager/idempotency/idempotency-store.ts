import type { Sql, Tx } from "#shared/db/db.ts";

/** Whose key it is and what it was used for. */
export interface KeyScope {
  caller: string;
  /** Method and path, ids included. */
  route: string;
  key: string;
  /** Of the request's content: the same key with another content is refused. */
  fingerprint: string;
}

/** A key as it is kept. */
export interface KeyRow {
  fingerprint: string;
  /** Null: who claimed it has not answered. */
  answer: unknown;
}

/** Null: it is not there, or was claimed at `overAtMs` or before. */
export async function readKey(
  sql: Sql,
  { caller, route, key }: KeyScope,
  overAtMs = Number.MIN_SAFE_INTEGER,
): Promise<KeyRow | null> {
  const [row] = await sql<KeyRow[]>`
    select fingerprint, answer from session_manager.idempotency_keys
    where caller = ${caller} and route = ${route} and key = ${key} and created_at_ms > ${overAtMs}`;
  return row ?? null;
}

/**
 * Claims a key until the transaction ends. A row of a transaction that still runs is waited for here; one that is over is taken
 * again. False: another has it.
 */
export async function claimKey(
  tx: Tx,
  { caller, route, key, fingerprint }: KeyScope,
  { nowMs, overAtMs }: { nowMs: number; overAtMs: number },
): Promise<boolean> {
  const claimed = await tx.sql`
    insert into session_manager.idempotency_keys as kept (caller, route, key, fingerprint, answer, created_at_ms)
    values (${caller}, ${route}, ${key}, ${fingerprint}, null, ${nowMs})
    on conflict (caller, route, key) do update
      set fingerprint = excluded.fingerprint, answer = null, created_at_ms = excluded.created_at_ms
      where kept.created_at_ms <= ${overAtMs}
    returning 1`;
  return claimed.length > 0;
}

/** Keeps the answer under a key that is claimed. */
export async function keepAnswer(tx: Tx, { caller, route, key }: KeyScope, answer: object): Promise<void> {
  await tx.sql`
    update session_manager.idempotency_keys set answer = ${tx.sql.json(answer as Parameters<typeof tx.sql.json>[0])}
    where caller = ${caller} and route = ${route} and key = ${key}`;
}

/** Removes the keys that were claimed at `overAtMs` or before. */
export async function removeKeys(sql: Sql, overAtMs: number): Promise<void> {
  await sql`delete from session_manager.idempotency_keys where created_at_ms <= ${overAtMs}`;
}
