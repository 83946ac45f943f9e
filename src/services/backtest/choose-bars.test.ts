import { describe, expect, test } from "bun:test";
import type { Candle } from "#shared/domain/candle.ts";
import type { SeriesHead } from "#shared/http/clients.ts";
import { chooseBars } from "./choose-bars.ts";
import type { RunRequest } from "./contract.ts";

/** Days that are kept, as numbers from 3 on: what was before went. */
const DAYS = ["2007-01-03", "2007-01-04", "2007-01-05", "2007-01-08", "2007-01-09"];
const candles = DAYS.map((day, index) => ({ n: index + 3, openAtMs: Date.parse(day) }) as Candle);
const HEAD = { instrumentId: "SPX/USD.paper", timeFrame: "1d", source: "bars", firstN: 3, headN: 7 } as const;
const marketData = {
  candles: ({ fromMs = 0, limit }: { fromMs?: number; limit: number }) =>
    Promise.resolve(candles.filter(({ openAtMs }) => openAtMs >= fromMs).slice(0, limit)),
};
const chosen = (range: Partial<RunRequest>, head: Partial<SeriesHead> = {}) =>
  chooseBars(
    marketData,
    { ...HEAD, ...range },
    {
      ...HEAD,
      headOpenAtMs: Date.parse("2007-01-09"),
      ...head,
    },
  );

const FIRST = "at the first candle kept";
const LAST = "at the newest candle kept";

describe("the candles of a run", () => {
  test.each<[range: Partial<RunRequest>, firstN: number, lastN: number, whyFirst: string, whyLast: string]>([
    [{}, 3, 7, FIRST, LAST],
    [{ fromN: 4, toN: 5 }, 4, 5, "at fromN (4)", "at toN (5)"],
    [{ fromN: 1, toN: 9 }, 3, 7, `${FIRST}, which is after fromN (1)`, `${LAST}, which is before toN (9)`],
    // Days without trade: from the next one on, until the one before.
    [{ from: "2007-01-06", to: "2007-01-07" }, 6, 5, "at from (2007-01-06)", "at to (2007-01-07)"],
    [{ from: "2007-01-04", to: "2007-01-07" }, 4, 5, "at from (2007-01-04)", "at to (2007-01-07)"],
    [{ from: "2007-01-05", to: "2007-01-05" }, 5, 5, "at from (2007-01-05)", "at to (2007-01-05)"],
    [{ from: "2007-01-03", to: "2007-01-09" }, 3, 7, "at from (2007-01-03)", "at to (2007-01-09)"],
    [
      { from: "2007-01-02", to: "2007-01-10" },
      3,
      7,
      `${FIRST}, which is after from (2007-01-02)`,
      `${LAST}, which is before to (2007-01-10)`,
    ],
    [{ from: "2007-01-10" }, 8, 7, "at from (2007-01-10)", LAST],
    [{ to: "0000-01-01" }, 3, 2, FIRST, "at to (0000-01-01)"],
  ])("of %j", async (range, firstN, lastN, whyFirst, whyLast) => {
    expect(await chosen(range)).toMatchObject({ firstN, lastN, whyFirst, whyLast });
  });

  test("are none that came since the series was looked at", async () => {
    expect(await chosen({ to: "2007-01-08" }, { headN: 5 })).toMatchObject({ lastN: 5 });
  });

  test("where there are none: what there is, or how to get some", async () => {
    expect(await (await chosen({})).nothing()).toBe(
      "There are no candles in this range: 3 (2007-01-03) to 7 (2007-01-09) are kept.",
    );
    expect(await (await chosen({}, { firstN: 0, headN: 0, headOpenAtMs: null })).nothing()).toBe(
      "There are no candles of it yet: name history, and the venue's bars are read first.",
    );
  });
});
