import { expect, test } from "bun:test";
import { listen, MINUTE_MS, type Replica, showBars } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

const at = replicasOfEachTest();
const FEW = { R3_MARKET_DATA_LEAST_HISTORY: "3" };
const KEY = { instrumentId: spx.id, timeFrame: "1m" };

function bars(from: number, to: number): void {
  for (let minute = from; minute < to; minute += 1) at.venue.bar(minute, "10");
}

async function repair({ ask }: Replica): Promise<Record<string, unknown>> {
  const answer = await ask("/gaps/repair", KEY);
  return (await answer.json()) as Record<string, unknown>;
}

test("POST /gaps/repair closes the hole behind the newest candle, tells of each, and the owner goes on behind it", async () => {
  bars(0, 5);
  const [owner, other] = [await at.start(FEW), await at.start(FEW)];
  await owner.ensure();
  await showBars(owner.bus, at.venue.bar(5, "10"));
  await until(async () => (await owner.candles("fromN=4")).length === 1);
  const heard = await listen(owner.bus);
  bars(6, 30);
  expect(await repair(other)).toEqual({ added: 24, headN: 28, headOpenAtMs: 29 * MINUTE_MS });
  await until(() => [5, 28].every((n) => heard.some((candle) => candle.n === n)));
  expect(await repair(other)).toEqual({ added: 0, headN: 28, headOpenAtMs: 29 * MINUTE_MS });
  await showBars(owner.bus, at.venue.bar(30, "11"));
  await until(async () => (await owner.candles("fromN=29")).length === 1);
  const all = await owner.candles("fromN=1&limit=100");
  expect(all.map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS])).toEqual(
    all.map((_, index) => [index + 1, index + 2]),
  );
});

test("reads some pages a call, so that it answers; the next goes on", async () => {
  bars(0, 5);
  const replica = await at.start(FEW);
  await replica.ensure();
  bars(5, 10_505);
  expect(await repair(replica)).toMatchObject({ added: 10_000 });
  expect(await repair(replica)).toMatchObject({ added: 500, headN: 10_503 });
});

test("has nothing to do where trades make the candles, and none where no series is kept", async () => {
  bars(0, 5);
  const replica = await at.start(FEW);
  expect(await repair(replica)).toMatchObject({
    status: 404,
    detail: `No series ${spx.id} 1m is kept: GET /api/market-data/series lists those that are, POST makes one.`,
  });
  await replica.ensure({ source: "trades" });
  expect(await repair(replica)).toMatchObject({
    status: 409,
    detail: `Trades make the candles of ${spx.id} 1m: its hole is closed with the next trade, by the venue's own, and there is nothing to do.`,
  });
});
