import { describe, expect, test } from "bun:test";
import { COLUMN_NAMES, createSharedColumns, fillColumns } from "./column-text.ts";
import { columnsOf, textsOfColumns } from "./columns.fixture.ts";

const candle = (n: number) => ({
  open: `${n}.1`,
  high: `${n}.3`,
  low: `${n}.000000001`,
  close: `${n}.2`,
  volume: "0.30000000000000004",
  openAtMs: 1_700_000_000_000 + n,
  closeAtMs: 1_700_000_060_000 + n,
});

describe("columns as text", () => {
  test("come back to the last bit, page after page, in memory that threads share", () => {
    const all = columnsOf([1, 2, 3, 4, 5].map(candle));
    const read = createSharedColumns(5);
    fillColumns(read, textsOfColumns(columnsOf([1, 2, 3].map(candle))), 0);
    fillColumns(read, textsOfColumns(columnsOf([4, 5].map(candle))), 3);
    for (const name of COLUMN_NAMES) {
      expect([...read[name]]).toEqual([...all[name]]);
      expect(read[name].buffer).toBeInstanceOf(SharedArrayBuffer);
    }
  });

  test("that are shorter than they say are refused", () => {
    const texts = textsOfColumns(columnsOf([candle(1)]));
    expect(() => fillColumns(createSharedColumns(2), { ...texts, count: 2 }, 0)).toThrow("open is not of 2 values");
  });
});
