import { equityPoints, orderToJson } from "#shared/backtest/result.ts";
import { runBacktest } from "#shared/backtest/run.ts";
import { statisticsOf } from "#shared/backtest/statistics.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { findStrategy } from "#shared/strategy/registry.ts";
import { STRATEGIES } from "#strategies/index.ts";
import type { RunRequest } from "./contract.ts";
import type { Outcome } from "./store.ts";

/** What the thread is told, once. */
export interface ThreadTask {
  request: RunRequest;
  instrument: Instrument;
  columns: CandleColumns;
  firstN: number;
}

/** What it says: how far it is, and at last what came of it. */
export type ThreadMessage =
  | { kind: "progress"; bars: number }
  | { kind: "done"; outcome: Outcome }
  | { kind: "failed"; reason: string };

declare const self: Worker;

// The module is a thread of its own: to be loaded is its start.
self.onmessage = ({ data }: MessageEvent<ThreadTask>) => {
  try {
    say({ kind: "done", outcome: compute(data) });
  } catch (error) {
    say({ kind: "failed", reason: messageOf(error) });
  }
};

function compute({ request, instrument, columns, firstN }: ThreadTask): Outcome {
  const definition = findStrategy(STRATEGIES, request.strategy);
  if (definition === null) throw new Error(`There is no strategy "${request.strategy}" here.`);
  const capital = decimal(request.capital);
  const run = runBacktest({
    definition,
    params: request.params,
    instrument,
    columns,
    firstN,
    capital,
    policy: request.riskPolicy,
    onProgress: (bars) => say({ kind: "progress", bars }),
  });
  const source = { columns, instrument, capital, fills: run.fills };
  const closeAtMs: number[] = [];
  const equity: string[] = [];
  for (const point of equityPoints(source)) {
    closeAtMs.push(point.closeAtMs);
    equity.push(plain(point.equity));
  }
  return {
    bars: columns.length,
    statistics: statisticsOf(source, request.timeFrame),
    denials: Object.fromEntries(run.denials),
    orders: run.orders.map(orderToJson),
    closeAtMs,
    equity,
  };
}

function say(message: ThreadMessage): void {
  self.postMessage(message);
}
