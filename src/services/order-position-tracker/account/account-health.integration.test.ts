import { expect, test } from "bun:test";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  changed,
  changeSession,
  OFTEN,
  reportsOf,
  runSession,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Degradation } from "#shared/domain/degradation.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";

let world: World;
let desk: Desk;
useDesks(4, (given) => {
  ({ world, desk } = given);
});

/** What was last told of the session. */
async function toldOf(session: Session): Promise<Degradation> {
  const [row] = await world.database.db.sql<{ data: Degradation }[]>`
    select envelope -> 'data' as data from bus.log
    where topic = 'session-reports' and key = ${session.id} and type = 'report.degraded' order by seq desc limit 1`;
  if (row === undefined) throw new Error("Nothing was told.");
  const { code, sinceMs, text } = row.data;
  return { code, sinceMs, text };
}

test.each([
  ["ACCOUNT_UNREACHABLE", "serverTimeMs", "serverTimeMs"],
  // Answered in a form that cannot be read, or refused, while all else is answered.
  ["ACCOUNT_UNREACHABLE", "balances", "balances"],
  ["RECONCILIATION_PENDING", "openOrders", "openOrders"],
  ["RECONCILIATION_PENDING", "openOrders", "serverTimeMs"],
] as const)(
  "%s (%s fails) is told after a while, stays when the leader changes (%s fails), and ends once the venue answers",
  async (code, first, later) => {
    let asked = 0;
    let isAway = false;
    const failing = (question: "serverTimeMs" | "openOrders" | "balances") => (given: VenueAccount) =>
      changed(given, {
        [question]: async (...of: never[]) => {
          asked += 1;
          if (isAway) throw new AppError("VENUE_UNAVAILABLE", "outage", "The venue is away.");
          return await (given[question] as (...of: never[]) => Promise<unknown>)(...of);
        },
      });
    const after = (ms: string) => ({ ...OFTEN, R3_ORDER_POSITION_TRACKER_DEGRADED_AFTER_MS: ms });
    const tracker = await desk.startTracker({ settings: after("300"), account: failing(first) });
    const session = await runSession(world, desk);
    isAway = true;
    const awayAtMs = Date.now();
    await until(async () => (await reportsOf(world, session)).includes("report.degraded"));
    expect(Date.now() - awayAtMs).toBeGreaterThanOrEqual(250);
    const told = await toldOf(session);
    expect(told.code).toBe(code);
    expect(told.text).toEndWith(" The venue is away.");
    await tracker.stop();
    const degraded = await changeSession(world, desk, session, { degraded: [told] });
    asked = 0;
    await desk.startTracker({ settings: after("3600000"), account: failing(later) });
    await until(() => asked >= 4);
    expect(await reportsOf(world, degraded)).not.toContain("report.restored");
    isAway = false;
    await until(async () => (await reportsOf(world, degraded)).includes("report.restored"));
  },
);
