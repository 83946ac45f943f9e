import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noChanges } from "#services/paper-exchange/ledger/ledger-types.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import { openStore } from "./store.ts";

const cursor = { step: 3, bar: 2, points: 1, lastTradeId: 9, lastPrice: "102.5", nowMs: 5 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "paper-exchange-store-"));
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

function failureOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return null;
}

describe("a market's file", () => {
  test("begins empty and gives back what was committed, in another opening too", () => {
    const path = join(folder, "a.sqlite");
    const store = openStore(path, "one");
    expect(store.load()).toBeNull();
    const changes = noChanges();
    changes.balances.add({ asset: "USD", free: "0.12345678901234567890", locked: "1" });
    changes.entries.push({ number: 1, asset: "USD", delta: "1", reason: "deposit", tradeId: null, atMs: 5 });
    store.write(changes, cursor);
    store.close();
    const again = openStore(path, "one");
    expect(again.load()).toEqual({
      cursor,
      orders: [],
      fills: [],
      balances: [{ asset: "USD", free: "0.12345678901234567890", locked: "1" }],
      entryCount: 1,
      eventCount: 0,
    });
    again.close();
  });

  test("is taken over by who opens it last: the one before writes nothing any more", () => {
    const path = join(folder, "a.sqlite");
    const before = openStore(path, "one");
    before.write(noChanges(), cursor);
    const now = openStore(path, "one");
    expect(
      hasCode(
        failureOf(() => before.write(noChanges(), { ...cursor, step: 99 })),
        "FENCED",
      ),
    ).toBe(true);
    expect(now.load()?.cursor.step).toBe(3);
    now.write(noChanges(), { ...cursor, step: 4 });
    expect(now.load()?.cursor.step).toBe(4);
    before.close();
    now.close();
  });

  test("writes all of a commit or nothing", () => {
    const store = openStore(join(folder, "a.sqlite"), "one");
    store.write(noChanges(), cursor);
    const changes = noChanges();
    const entry = { number: 1, asset: "USD", delta: "1", reason: "deposit", tradeId: null, atMs: 5 } as const;
    changes.balances.add({ asset: "USD", free: "1", locked: "0" });
    changes.entries.push(entry, entry);
    expect(failureOf(() => store.write(changes, { ...cursor, step: 4 }))).not.toBeNull();
    expect(store.load()).toMatchObject({ cursor: { step: 3 }, balances: [], entryCount: 0 });
    store.close();
  });

  test("of another market is refused, and so is a place where no file can be", () => {
    const path = join(folder, "a.sqlite");
    openStore(path, "one").close();
    expect(
      hasCode(
        failureOf(() => openStore(path, "two")),
        "SETTINGS_INVALID",
      ),
    ).toBe(true);
    expect(
      hasCode(
        failureOf(() => openStore(join(folder, "none", "a.sqlite"), "one")),
        "SETTINGS_INVALID",
      ),
    ).toBe(true);
  });
});
