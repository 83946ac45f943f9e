import { expect, test } from "bun:test";
import type { OutgoingEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Degradation } from "#shared/domain/degradation.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { reportDegraded } from "./report-degraded.ts";

const STALE: Degradation = { code: "FEED_STALE", sinceMs: 5, text: "No bar came." };
const HALTED: Degradation = { code: "INSTRUMENT_HALTED", sinceMs: 6, text: "It is halted." };
const BANNED: Degradation = { code: "VENUE_BANNED", sinceMs: 7, text: "It is banned." };

function told(degraded: Degradation[], wanted: Degradation[]): string[] {
  const events: OutgoingEvent[] = [];
  const bus = { publish: (_tx: Tx, some: readonly OutgoingEvent[]) => void events.push(...some) };
  const session = sessionOf({ degraded, run: 3 });
  reportDegraded({} as Tx, bus, { session, reporter: "data-collect", wanted, atMs: 9 });
  return events.map(({ type, data }) => `${type} ${(data as { code: string }).code}`);
}

test("a reporter tells what is new or has another reason, ends what is over, and leaves the others' alone", () => {
  expect(told([], [STALE])).toEqual(["report.degraded FEED_STALE"]);
  expect(told([STALE], [{ ...STALE, sinceMs: 9 }])).toEqual([]);
  expect(told([STALE], [{ ...STALE, text: "It is silent." }])).toEqual(["report.degraded FEED_STALE"]);
  expect(told([STALE, BANNED], [HALTED])).toEqual(["report.degraded INSTRUMENT_HALTED", "report.restored FEED_STALE"]);
  expect(told([BANNED], [])).toEqual([]);
});
