import { heapSize } from "bun:jsc";
import { runBacktest } from "#shared/backtest/run.ts";
import { statisticsOf } from "#shared/backtest/statistics.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { loadDefinitions } from "#shared/strategy-threads/definitions.ts";
import { NO_BAR } from "#shared/strategy-threads/marks.ts";
import { type RequestContext, serve } from "#shared/strategy-threads/serve.ts";
import type { SweepAnswer, SweepRequest, SweepSetup } from "./sweep-task.ts";
import { watchedStrategy } from "./watched-strategy.ts";

/** Of no run. */
const SETUP_ID = 0;

let ready: { setup: SweepSetup; definition: StrategyDefinition } | null = null;

serve<SweepRequest>(async (request, context) => {
  if (request.kind === "run") return run(request, context);
  const { setup } = request;
  context.marks.begin("slow", SETUP_ID, NO_BAR);
  const definition = (await loadDefinitions(setup.file, setup.texts)).find(({ name }) => name === setup.strategy);
  if (definition === undefined) throw new Error(`There is no strategy "${setup.strategy}" any more.`);
  ready = { setup, definition };
  return null;
});

function run({ number, params }: Extract<SweepRequest, { kind: "run" }>, { marks }: RequestContext): SweepAnswer {
  if (ready === null) throw new Error("The thread was asked for a run before it knew of what.");
  const { setup, definition } = ready;
  const { instrument, columns, firstN, timeFrame, policy } = setup;
  marks.begin("slow", number, NO_BAR);
  const capital = decimal(setup.capital);
  const { fills, denials } = runBacktest({
    definition: watchedStrategy(definition, marks, number),
    params,
    instrument,
    columns,
    firstN,
    capital,
    policy,
  });
  const last = { n: firstN + columns.length - 1, closeAtMs: columns.closeAtMs.at(-1) ?? 0 };
  marks.begin("slow", number, last);
  const statistics = statisticsOf({ columns, instrument, capital, fills }, timeFrame);
  return { statistics, denials: Object.fromEntries(denials), heapBytes: heapSize() };
}
