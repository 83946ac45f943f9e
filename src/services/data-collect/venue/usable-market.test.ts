import { expect, test } from "bun:test";
import { barOf, FakeVenue, MINUTE_MS, tradeOf } from "#services/data-collect/data-collect.fixture.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { usableMarket } from "./usable-market.ts";

/** A venue with a bar a minute, of which those with a price of zero cannot be used, and what was refused, in minutes. */
async function world(prices: readonly number[]) {
  const venue = new FakeVenue();
  for (const [n, price] of prices.entries()) await venue.close(barOf("1m", n * MINUTE_MS, price));
  const refused: number[] = [];
  const exchanges = { marketData: () => venue } as unknown as Exchanges;
  const market = usableMarket(exchanges, ({ openAtMs }) => void refused.push(openAtMs / MINUTE_MS)).marketData("x");
  /** Each bar with the one before it, in minutes. */
  const read = async (query: { afterMs?: number; fromMs?: number; toMs?: number; limit: number }) =>
    (await market.bars({ instrument: spx, timeFrame: "1m", ...query })).map(({ openAtMs, prevOpenAtMs }) => [
      openAtMs / MINUTE_MS,
      prevOpenAtMs === null ? null : prevOpenAtMs / MINUTE_MS,
    ]);
  return { venue, market, read, refused: () => [...new Set(refused)] };
}

test("bars that cannot be used are left out, and the next one names the one before them", async () => {
  const { read, refused } = await world([1, 0, 0, 4, 5]);
  expect(await read({ limit: 10 })).toEqual([
    [0, null],
    [3, 0],
    [4, 3],
  ]);
  expect(refused()).toEqual([1, 2]);
});

test("a page is as full as it would be without them: one that is not is the last", async () => {
  const { read } = await world([1, 0, 3, 0, 5, 6]);
  const from = [
    [2, 0],
    [4, 2],
  ];
  expect(await read({ fromMs: 1, limit: 2 })).toEqual(from);
  expect(await read({ afterMs: 0, limit: 2 })).toEqual(from);
  expect(await read({ fromMs: 0, limit: 10 })).toHaveLength(4);
});

test("a listed trade that cannot be used is left out", async () => {
  const { venue, market } = await world([]);
  for (const trade of [tradeOf(1), { ...tradeOf(2), price: "0" }, tradeOf(3)]) venue.trade(trade);
  const told = await market.trades({ instrument: spx, limit: 10 });
  expect(told.map(({ tradeId }) => tradeId)).toEqual(["1", "3"]);
});
