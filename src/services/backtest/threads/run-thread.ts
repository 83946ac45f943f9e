import type { Outcome } from "#services/backtest/store.ts";
import { equityPoints, orderToJson } from "#shared/backtest/result.ts";
import { runBacktest } from "#shared/backtest/run.ts";
import { statisticsOf } from "#shared/backtest/statistics.ts";
import { tradesOf, tradeToJson } from "#shared/backtest/trades.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { loadDefinitions } from "#shared/strategy-threads/definitions.ts";
import { NO_BAR } from "#shared/strategy-threads/marks.ts";
import { type RequestContext, serve } from "#shared/strategy-threads/serve.ts";
import { INSTANCE_ID, type ThreadTask } from "./thread-task.ts";
import { watchedStrategy } from "./watched-strategy.ts";

/** So often a long computation after the run says that it goes on. */
const POINTS_BETWEEN_MARKS = 4_096;

serve<ThreadTask>(async (task, context) => {
  context.marks.begin("slow", INSTANCE_ID, NO_BAR);
  const definition = (await loadDefinitions(task.file, task.texts)).find(({ name }) => name === task.request.strategy);
  if (definition === undefined) throw new Error(`There is no strategy "${task.request.strategy}" any more.`);
  return compute(task, watchedStrategy(definition, context.marks, INSTANCE_ID), context);
});

function compute(
  { request, instrument, columns, firstN }: ThreadTask,
  definition: StrategyDefinition,
  context: RequestContext,
) {
  const capital = decimal(request.capital);
  const run = runBacktest({
    definition,
    params: request.params,
    instrument,
    columns,
    firstN,
    capital,
    policy: request.riskPolicy,
    onProgress: (bars) => context.note(bars),
  });
  const source = { columns, instrument, capital, fills: run.fills };
  const last = { n: firstN + columns.length - 1, closeAtMs: columns.closeAtMs.at(-1) ?? 0 };
  const closeAtMs: number[] = [];
  const equity: string[] = [];
  for (const point of equityPoints(source)) {
    if (closeAtMs.length % POINTS_BETWEEN_MARKS === 0) context.marks.begin("slow", INSTANCE_ID, last);
    closeAtMs.push(point.closeAtMs);
    equity.push(plain(point.equity));
  }
  const outcome: Outcome = {
    bars: columns.length,
    statistics: statisticsOf(source, request.timeFrame),
    denials: Object.fromEntries(run.denials),
    orders: run.orders.map(orderToJson),
    trades: tradesOf({ fills: run.fills, instrument, capital, bars: columns.length }).trades.map(tradeToJson),
    closeAtMs,
    equity,
  };
  return outcome;
}
