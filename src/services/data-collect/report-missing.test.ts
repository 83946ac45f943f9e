import { describe, expect, test } from "bun:test";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import type { Degradation } from "#shared/domain/degradation.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { missingOf, type ReportDeps, reportMissing } from "./report-missing.ts";

const unit: OwnedUnit = {
  group: "data-collect",
  partition: 1,
  role: "r",
  epoch: 1,
  signal: new AbortController().signal,
};

/** Reports for a session whose row says `degraded`, of a halted instrument whose bars are not current; how many transactions that took. */
async function report(degraded: readonly Degradation[]): Promise<number> {
  let transactions = 0;
  const row = { id: "s", run: 1, instrumentId: spx.id, timeFrame: "1m", degraded };
  // Casts, since a real one needs a server: each statement is answered with the row, and no other member is used.
  const sql = (async () => [row]) as unknown as Db["sql"];
  const deps: ReportDeps = {
    db: {
      sql,
      async transaction(work) {
        transactions += 1;
        return await work({ sql } as unknown as Tx);
      },
    },
    bus: { partitionOf: () => 1, publish: () => undefined },
    leader: { fence: async () => undefined },
    clock: { nowMs: () => 9 },
  };
  await reportMissing(deps, {
    units: new Map([[1, unit]]),
    statusOf: () => ({ ...spx, status: "HALTED" }),
    staleSinceMs: () => 5,
  });
  return transactions;
}

test("what the session's row says in another order, or since another time, is not told again", async () => {
  const status = { ...spx, status: "HALTED" } as const;
  const of = { instrumentId: spx.id, timeFrame: "1m", staleSinceMs: 5, status, told: [] } as const;
  const told = missingOf(of).map((one) => ({ ...one, sinceMs: 7 }));
  expect(told.map(({ code }) => code)).toEqual(["INSTRUMENT_HALTED", "FEED_STALE"]);
  expect(await report(told.toReversed())).toBe(0);
  expect(await report(told.slice(1))).toBe(1);
  expect(await report([...told, { code: "MARKET_ENDED", sinceMs: 1, text: "It has ended." }])).toBe(1);
});

describe("what is not known yet is as it was told before", () => {
  const halted = { code: "INSTRUMENT_HALTED", sinceMs: 1, text: "It is halted." } as const;
  const stale = { code: "FEED_STALE", sinceMs: 2, text: "It is stale." } as const;
  const codesOf = (of: Pick<Parameters<typeof missingOf>[0], "status" | "staleSinceMs">) =>
    missingOf({ ...of, instrumentId: spx.id, timeFrame: "1m", told: [halted, stale] }).map(({ code }) => code);

  test.each([
    [null, "unknown", ["INSTRUMENT_HALTED", "FEED_STALE"]],
    [null, 5, ["INSTRUMENT_HALTED", "FEED_STALE"]],
    [null, null, ["INSTRUMENT_HALTED"]],
    [spx, "unknown", ["FEED_STALE"]],
    [spx, null, []],
  ] as const)("status %j, stale %j", (status, staleSinceMs, codes) => {
    expect(codesOf({ status, staleSinceMs })).toEqual([...codes]);
  });
});
