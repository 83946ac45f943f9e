import { expect, test } from "bun:test";
import type { CandleQuery, Store } from "#services/market-data/store.ts";
import { createMemoryCache } from "#shared/cache/memory.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { CandlePages } from "./candle-pages.ts";

/** Pages over candles of these numbers, and how often the store was asked. */
function pagesOf(numbers: number[]) {
  let asked = 0;
  const store = {
    async candles({ fromN = Number.NEGATIVE_INFINITY, limit }: CandleQuery) {
      asked += 1;
      const found = numbers.filter((n) => n >= fromN).slice(0, limit);
      return found.map((n) => ({ n }) as Candle);
    },
  } as unknown as Store;
  const cache = createMemoryCache();
  const pages = new CandlePages({ store, cache, cacheMs: 60_000, incarnation: async () => "one" });
  const read = async (fromN: number | undefined, limit: number) =>
    (await pages.read({ instrumentId: "A/B.x", timeFrame: "1m", fromN, limit })).map(({ n }) => n);
  return { read, asked: () => asked };
}

test("a full page is kept, one that is not full is read again", async () => {
  const numbers = [1, 2, 3];
  const { read, asked } = pagesOf(numbers);
  expect([await read(1, 3), await read(1, 3), asked()]).toEqual([[1, 2, 3], [1, 2, 3], 1]);
  expect(await read(2, 3)).toEqual([2, 3]);
  numbers.push(4);
  expect(await read(2, 3)).toEqual([2, 3, 4]);
});

test("a page that the series may grow into at its beginning is not kept", async () => {
  const numbers = [1, 2, 3];
  const { read } = pagesOf(numbers);
  expect([await read(-1, 2), await read(undefined, 2)]).toEqual([
    [1, 2],
    [1, 2],
  ]);
  numbers.unshift(-1, 0);
  expect([await read(-1, 2), await read(undefined, 2)]).toEqual([
    [-1, 0],
    [-1, 0],
  ]);
});
