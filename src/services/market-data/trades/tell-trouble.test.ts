import { expect, test } from "bun:test";
import { pino } from "pino";
import type { Series } from "#services/market-data/series/series.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import type { Deps } from "#shared/service/service.ts";
import { createTeller } from "./tell-trouble.ts";

/** A teller, and the data of the alerts that it raised; the database answers while it is there. */
function world() {
  const clock = createManualClock();
  const raised: { count: number }[] = [];
  const database = { isThere: true };
  const sql = Object.assign(async () => [{ is_new: false }], {
    json: (data: { count: number }) => void raised.push(data),
  });
  const db = {
    async transaction(work: (tx: unknown) => Promise<unknown>) {
      if (!database.isThere) throw new Error("The database is away.");
      return await work({ sql });
    },
  };
  const teller = createTeller({ db, clock, bus: {} } as unknown as Deps, pino({ level: "silent" }));
  const counts = () => raised.map(({ count }) => count);
  const series = { instrumentId: "A/B.x", timeFrame: "1m" } as Series;
  const late = async (n: number): Promise<void> => {
    for (let id = 0; id < n; id += 1) {
      await teller.tell("LATE_TRADES", series, { tradeId: String(id), atMs: id, receivedAtMs: id });
    }
  };
  return { clock, counts, teller, late, database };
}

test("many late trades are counted, and told of once a second: none waits for a transaction", async () => {
  const { clock, counts, teller, late } = world();
  await late(1_000);
  await clock.advance(999);
  expect(counts()).toEqual([1]);
  await clock.advance(1);
  expect(counts()).toEqual([1, 1_000]);
  await clock.advance(60_000);
  expect(counts()).toEqual([1, 1_000]);
  await late(1);
  await clock.advance(0);
  expect(counts()).toEqual([1, 1_000, 1_001]);
  await teller.close();
});

test("late trades that could not be told of are told of later, at the latest at the end", async () => {
  const { clock, counts, teller, late, database } = world();
  database.isThere = false;
  await late(2);
  await clock.advance(5_000);
  database.isThere = true;
  await clock.advance(1_000);
  expect(counts()).toEqual([2]);
  await late(3);
  await teller.close();
  expect(counts().at(-1)).toBe(5);
});
