import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { BalanceRow, Changes, LedgerEntry } from "./ledger-types.ts";

/** What the account owns: free and locked by asset, exact, each change with its entry. */
export interface Account {
  free(asset: string): Decimal;
  locked(asset: string): Decimal;
  /** Moves from free to locked. The caller has seen that enough is free. */
  lock(changes: Changes, asset: string, size: Decimal): void;
  unlock(changes: Changes, asset: string, size: Decimal): void;
  /** Adds to (or takes from) what is free, with an entry; nothing for zero. */
  book(changes: Changes, entry: Omit<LedgerEntry, "number" | "delta"> & { delta: Decimal }): void;
  readonly balances: readonly BalanceRow[];
}

/** An account over rows as loaded; it changes those rows. `entryCount` is how many entries were written before. */
export function createAccount(rows: BalanceRow[], entryCount: number): Account {
  const byAsset = new Map(rows.map((row) => [row.asset, row]));
  let entries = entryCount;

  function rowOf(asset: string): BalanceRow {
    const row = byAsset.get(asset) ?? { asset, free: "0", locked: "0" };
    if (!byAsset.has(asset)) {
      byAsset.set(asset, row);
      rows.push(row);
    }
    return row;
  }

  function move(changes: Changes, asset: string, free: Decimal, locked: Decimal): void {
    const row = rowOf(asset);
    const next = { free: decimal(row.free).plus(free), locked: decimal(row.locked).plus(locked) };
    if (next.free.lt(0) || next.locked.lt(0)) throw new Error(`The balance of ${asset} would fall below zero.`);
    row.free = plain(next.free);
    row.locked = plain(next.locked);
    changes.balances.add(row);
  }

  return {
    free: (asset) => decimal(byAsset.get(asset)?.free ?? "0"),
    locked: (asset) => decimal(byAsset.get(asset)?.locked ?? "0"),
    lock: (changes, asset, size) => move(changes, asset, size.neg(), size),
    unlock: (changes, asset, size) => move(changes, asset, size, size.neg()),
    book(changes, { delta, ...entry }) {
      if (delta.isZero()) return;
      move(changes, entry.asset, delta, ZERO);
      entries += 1;
      changes.entries.push({ number: entries, ...entry, delta: plain(delta) });
    },
    balances: rows,
  };
}
