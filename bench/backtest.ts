import Table from "cli-table3";
import { runBacktest } from "#shared/backtest/run.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import { generateBars, instrument } from "./generated-bars.ts";
import { quantile } from "./quantile.ts";

const BARS = 1_000_000;
const ROUNDS = 9;
const LENGTHS = { fast: 10, slow: 50 };

/** The limit: a bare loop that takes the same two averages, computed anew at each bar, and counts their crossings. */
function bareLoop({ close, length }: CandleColumns): number {
  let crossings = 0;
  let above = false;
  for (let index = LENGTHS.slow - 1; index < length; index += 1) {
    let fast = 0;
    for (let at = index - LENGTHS.fast + 1; at <= index; at += 1) fast += close[at] as number;
    let slow = 0;
    for (let at = index - LENGTHS.slow + 1; at <= index; at += 1) slow += close[at] as number;
    const now = fast / LENGTHS.fast > slow / LENGTHS.slow;
    if (now !== above) crossings += 1;
    above = now;
  }
  return crossings;
}

/** Times a piece of work; what was left behind before it is collected first. */
function timed<T>(work: () => T): { seconds: number; result: T } {
  Bun.gc(true);
  const began = performance.now();
  const result = work();
  return { seconds: (performance.now() - began) / 1_000, result };
}

/** Times the backtest of an SMA cross over a million bars in turns with a bare loop. Prints a table, then one JSON line. */
export function benchBacktest(): void {
  const columns = generateBars(BARS);
  const policy = {
    sizing: { method: "percent-of-equity", percent: "1" },
    maxOrderNotional: null,
    maxPositionNotional: null,
    signalValidityMs: null,
    degradedEntries: "deny-stale",
  } as const;
  const input = {
    definition: smaCross,
    params: LENGTHS,
    instrument,
    columns,
    firstN: 1,
    capital: decimal("1000000"),
    policy,
  };
  const rounds = Array.from({ length: ROUNDS }, () => {
    const limit = timed(() => bareLoop(columns));
    const engine = timed(() => runBacktest(input));
    return {
      limit: BARS / limit.seconds,
      engine: BARS / engine.seconds,
      orders: engine.result.orders.length,
      crossings: limit.result,
    };
  });
  const table = new Table({
    style: { head: [], border: [] },
    head: ["round", "engine bars/s", "limit bars/s", "engine / limit", "orders", "crossings"],
  });
  rounds.forEach((round, index) => {
    const ratio = (round.engine / round.limit).toFixed(2);
    table.push([
      index + 1,
      Math.round(round.engine).toLocaleString("en"),
      Math.round(round.limit).toLocaleString("en"),
      ratio,
      round.orders,
      round.crossings,
    ]);
  });
  const barsPerS = Math.round(
    quantile(
      rounds.map((round) => round.engine),
      0.5,
    ),
  );
  const limitBarsPerS = Math.round(
    quantile(
      rounds.map((round) => round.limit),
      0.5,
    ),
  );
  process.stdout.write(
    `SMA ${LENGTHS.fast}/${LENGTHS.slow} over ${BARS.toLocaleString("en")} one-minute bars, orders, fees and exact money, one thread\n`,
  );
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(
    `${JSON.stringify({ barsPerS, limitBarsPerS, orders: rounds[0]?.orders ?? 0, bars: BARS, rounds: ROUNDS })}\n`,
  );
}
