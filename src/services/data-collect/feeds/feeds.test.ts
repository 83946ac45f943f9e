import { expect, test } from "bun:test";
import { pino } from "pino";
import { createManualClock } from "#shared/clock/manual.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { Deps } from "#shared/service/service.ts";
import { Feeds } from "./feeds.ts";

const refusal = () => Promise.reject(new AppError("VENUE_REFUSED", "permanent", "The venue refuses."));

/** Compares once a second what runs with what is wanted, for so long; the lines of the log. */
async function follow(seconds: number, get: () => Promise<Instrument>) {
  const clock = createManualClock();
  const lines: { msg: string; pauseMs?: number; failures?: number }[] = [];
  const deps = {
    db: { sql: async () => [{ instrument_id: spx.id, kind: "trades" }] },
    bus: { partitionOf: () => 1 },
    exchanges: { marketData: () => ({ followTrades: refusal }) },
    clock,
  };
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const lists = { get, status: () => null };
  // A feed that does not begin uses no other port.
  const feeds = new Feeds(deps as unknown as Deps, log, lists, 2_000);
  feeds.own({ group: "data-collect", partition: 1, role: "r", epoch: 1, signal: new AbortController().signal });
  for (let second = 0; second < seconds; second += 1) {
    await feeds.sync();
    await clock.advance(1_000);
  }
  await feeds.stop();
  return lines;
}

test("a feed that the venue refuses is started again after pauses that grow", async () => {
  const lines = await follow(190, async () => spx);
  expect(lines.map(({ pauseMs }) => pauseMs)).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
});

test("a feed that can not be started is tried each time, and logged ever more rarely", async () => {
  const lines = await follow(40, refusal);
  expect(lines.map(({ failures }) => failures)).toEqual([1, 2, 4, 8, 16, 32]);
});
