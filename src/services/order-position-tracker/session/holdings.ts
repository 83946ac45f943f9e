import { closableSize } from "#shared/accounting/flat.ts";
import type { Sql } from "#shared/db/db.ts";
import { decimal, normalize, plain } from "#shared/domain/decimal.ts";
import { type Instrument, instrumentSchema } from "#shared/domain/instrument.ts";
import type { ExposedSession } from "#shared/http/clients.ts";
import { type Page, pageOf } from "#shared/http/paging.ts";
import { type MarkedPosition, readMarked, readMissingHolders } from "./session-store.ts";

/** A position that an order could close. */
export interface Holding {
  instrument: Instrument;
  /** Of the position, in the base asset. */
  size: string;
  /** The newest close that the session's equity was measured at; before the first the position's average entry. */
  mark: string;
  /** Market time of the position's last change or of that close, whichever is newer. */
  marketAtMs: number;
}

/** What a session holds: what an order could close, and what none could, in words for a person (null: nothing). */
export interface Holdings {
  closable: Holding[];
  left: string | null;
}

/** The positions of a session that a sale can close at their marks: not the dust, and nothing that is below zero. */
export async function closableHoldings(db: { sql: Sql }, sessionId: string): Promise<Holding[]> {
  return (await readHoldings(db, sessionId)).closable;
}

/** All that a session holds. */
export async function readHoldings(db: { sql: Sql }, sessionId: string): Promise<Holdings> {
  const rows = await readMarked(db, [sessionId]);
  const closable = rows.filter(isClosable);
  const left = rows.filter((row) => !closable.includes(row) && !decimal(row.size).isZero()).map(sayLeft);
  return {
    closable: closable.map(({ instrument, size, mark, marketAtMs }) => ({
      instrument,
      size: normalize(size),
      mark: normalize(mark),
      marketAtMs,
    })),
    left: left.length === 0 ? null : left.join(" "),
  };
}

/**
 * A page of the sessions at work that run with something missing and hold something, behind this id; those that hold only what no
 * order could close are left out, so that it may have few. A position whose instrument cannot be read counts.
 */
export async function listExposed(
  db: { sql: Sql },
  { after, limit }: { after: string; limit: number },
): Promise<Page<ExposedSession>> {
  const { items: holders, nextCursor } = pageOf(
    await readMissingHolders(db, { after, limit: limit + 1 }),
    limit,
    ({ sessionId }) => [sessionId],
  );
  const ids = holders.map(({ sessionId }) => sessionId);
  const marked = Map.groupBy(await readMarked(db, ids), ({ sessionId }) => sessionId);
  const counts = (row: MarkedPosition) =>
    !decimal(row.size).isZero() && (!instrumentSchema.safeParse(row.instrument).success || isClosable(row));
  const exposed = holders.map((session) => {
    return { ...session, positions: (marked.get(session.sessionId) ?? []).filter(counts).length };
  });
  return { items: exposed.filter(({ openOrders, positions }) => openOrders + positions > 0), nextCursor };
}

function isClosable({ size, mark, instrument }: MarkedPosition): boolean {
  return decimal(size).gt(0) && closableSize({ size: decimal(size), mark: decimal(mark), instrument }) !== null;
}

function sayLeft({ size, instrument: { base, venue } }: { size: string; instrument: Instrument }): string {
  const amount = decimal(size);
  return amount.isNegative()
    ? `${plain(amount.abs())} ${base} more was sold than it had: buy it back at ${venue}.`
    : `${plain(amount)} ${base} is left, less than any order may close at ${venue}.`;
}
