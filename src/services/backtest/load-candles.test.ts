import { describe, expect, test } from "bun:test";
import { COLUMN_NAMES, MOST_COLUMNS } from "#shared/candles/column-text.ts";
import { columnsOf, textsOfColumns } from "#shared/candles/columns.fixture.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { readColumns } from "./load-candles.ts";

/** The candles that a series of this length has from one number to another. */
const candlesOf = (fromN: number, toN: number) =>
  Array.from({ length: toN - fromN + 1 }, (_, index) => {
    const n = fromN + index;
    const prices = { open: `${n}.1`, high: `${n}.4`, low: `${n}`, close: `${n}.2`, volume: "3" };
    return { ...prices, openAtMs: n * 60_000, closeAtMs: (n + 1) * 60_000 };
  });
const RANGE = { instrumentId: "A/B.x", timeFrame: "1m", firstN: -7, lastN: 3 * MOST_COLUMNS } as const;

describe("readColumns", () => {
  test("puts pages together in the order of their numbers, whichever comes first, two at once", async () => {
    let [now, most, asked] = [0, 0, 0];
    const held: (() => void)[] = [];
    const columns = await readColumns(
      {
        async columns({ fromN, toN }) {
          asked += 1;
          now += 1;
          most = Math.max(most, now);
          // The first of two waits for the second.
          if (asked % 2 === 1) await new Promise<void>((goOn) => held.push(goOn));
          else held.pop()?.();
          now -= 1;
          return textsOfColumns(columnsOf(candlesOf(fromN, toN)));
        },
      },
      RANGE,
      new AbortController().signal,
    );
    expect([asked, most]).toEqual([4, 2]);
    const expected = columnsOf(candlesOf(RANGE.firstN, RANGE.lastN));
    expect(columns.length).toBe(expected.length);
    const isSame = COLUMN_NAMES.map((name) => columns[name].every((value, at) => value === expected[name][at]));
    expect(isSame).toEqual(COLUMN_NAMES.map(() => true));
  });

  test("is refused for now where candles that were counted are missing, and ends with its signal", async () => {
    const short = {
      columns: async ({ fromN, toN }: { fromN: number; toN: number }) =>
        textsOfColumns(columnsOf(candlesOf(fromN, toN - 1))),
    };
    const failure = await failureOf(readColumns(short, RANGE, new AbortController().signal));
    expect(failure).toBe("SERVICE_UNAVAILABLE: market-data does not have the candles that it has counted.");
    const stopped = await failureOf(readColumns(short, RANGE, AbortSignal.abort(new Error("stopped"))));
    expect(stopped).toBe("Error: stopped");
  });
});
