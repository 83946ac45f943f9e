import { z } from "zod";
import { getJson, postJson, Refused } from "#local/rest.ts";
import { Trouble } from "#local/say.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { fillSchema, orderSchema } from "#shared/domain/order.ts";
import { sessionStateSchema } from "#shared/domain/session.ts";
import {
  type ComparedFill,
  type ComparedOrder,
  type EquityPoint,
  fillsOfVenue,
  firstDifference,
  ordersOfVenue,
  worthOf,
} from "./demo-compare.ts";
import type { DemoRun } from "./demo-run.ts";
import { DEMO_INSTRUMENT, demoSession, type ServiceUrls, venueAccess } from "./demo-settings.ts";
import { venueOrders, venueTrades } from "./venue-client.ts";

const sessionView = z.object({ id: z.string(), state: sessionStateSchema, stateReason: z.string().nullable() });

/** Creates the session of docs/demo.md, or finds the one this run has made before, and starts it. Answers its id. */
export async function startSession(run: DemoRun, urls: ServiceUrls): Promise<string> {
  const sessions = `${urls["session-manager"]}/api/session-manager/sessions`;
  const create = () => postJson(sessions, demoSession(run), { idempotencyKey: run.sessionKey });
  const id = run.sessionId ?? z.object({ id: z.string() }).parse((await create()).body).id;
  const { state } = sessionView.parse(await getJson(`${sessions}/${id}`));
  if (state === "CREATED" || state === "STOPPED") await postJson(`${sessions}/${id}/start`, {}, { accept: [409] });
  return id;
}

/** Whether the session is still there: who looks around may have deleted it. */
export async function isThere(urls: ServiceUrls, sessionId: string): Promise<boolean> {
  try {
    await getJson(`${urls["session-manager"]}/api/session-manager/sessions/${sessionId}`);
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return false;
    throw error;
  }
}

/** Waits until the session trades. */
export async function untilRunning(urls: ServiceUrls, sessionId: string, withinMs: number): Promise<void> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const url = `${urls["session-manager"]}/api/session-manager/sessions/${sessionId}`;
    const { state, stateReason } = sessionView.parse(await getJson(url));
    if (state === "RUNNING") return;
    if (state === "FAULTED") throw new Trouble(`The demo's session is FAULTED: ${stateReason ?? "no reason given"}.`);
    if (performance.now() > untilMs)
      throw new Trouble(`The demo's session is still ${state} after ${withinMs / 1_000} s; the logs say why.`);
    await Bun.sleep(50);
  }
}

async function allPages<Item extends z.ZodType>(url: string, item: Item): Promise<z.infer<Item>[]> {
  const page = z.object({ items: z.array(item), nextCursor: z.string().nullable() });
  const items: z.infer<Item>[] = [];
  let cursor: string | null = null;
  do {
    const at: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = page.parse(await getJson(`${url}&limit=1000${at}`));
    items.push(...answer.items);
    cursor = answer.nextCursor;
  } while (cursor !== null);
  return items;
}

/** The engine's orders and equity points of a session, from order-position-tracker's REST. */
async function engineResult(
  urls: ServiceUrls,
  sessionId: string,
): Promise<{ orders: ComparedOrder[]; equity: EquityPoint[] }> {
  const base = `${urls["order-position-tracker"]}/api/order-position-tracker`;
  const orders = await allPages(`${base}/orders?sessionId=${sessionId}`, orderSchema);
  const equity = await allPages(`${base}/equity?sessionId=${sessionId}`, equityPoint);
  return {
    equity: equity
      .map(({ closeAtMs, equity: value }) => ({ closeAtMs, equity: value }))
      .toSorted((a, b) => a.closeAtMs - b.closeAtMs),
    orders: orders
      .toSorted((a, b) => a.number - b.number)
      .map((order) => {
        const [feeAsset, fee] = Object.entries(order.fees)[0] ?? [null, null];
        return {
          number: order.number,
          side: order.side,
          type: order.style.type,
          size: order.size,
          filled: order.filledSize,
          averagePrice: order.averagePrice,
          fee,
          feeAsset,
          filledAtMs: order.filledAtMs,
        };
      }),
  };
}

/** The engine's fills of a session as the venue numbers them. */
async function engineFills(urls: ServiceUrls, sessionId: string): Promise<ComparedFill[]> {
  const base = `${urls["order-position-tracker"]}/api/order-position-tracker`;
  const fills = await allPages(`${base}/fills?sessionId=${sessionId}`, fillSchema);
  return fills
    .map(({ tradeId, price, size, fee }) => ({ tradeId: Number(tradeId), price, size, fee }))
    .toSorted((a, b) => a.tradeId - b.tradeId);
}

const equityPoint = z.object({ closeAtMs: z.number(), equity: z.string() });
const backtestOrder = z.object({
  number: z.number(),
  side: z.string(),
  type: z.string(),
  size: z.string(),
  filled: z.string(),
  averagePrice: z.string().nullable(),
  fee: z.string().nullable(),
  feeAsset: z.string().nullable(),
  filledAtMs: z.number().nullable(),
});

const runView = z.object({ id: z.string(), state: z.string(), error: z.unknown() });
const BACKTEST_WITHIN_MS = 120_000;

/** The same strategy over the same candles in the backtest service. */
async function backtestResult(
  run: DemoRun,
  urls: ServiceUrls,
): Promise<{ orders: ComparedOrder[]; equity: EquityPoint[] }> {
  const { strategy, params, timeFrame, capital, riskPolicy } = demoSession(run);
  const runs = `${urls["backtest"]}/api/backtest/runs`;
  const wanted = { strategy, params, instrumentId: DEMO_INSTRUMENT, timeFrame, capital, riskPolicy };
  const { id } = runView.parse((await postJson(runs, wanted, { idempotencyKey: run.backtestKey })).body);
  const untilMs = performance.now() + BACKTEST_WITHIN_MS;
  for (;;) {
    const view = runView.parse(await getJson(`${runs}/${id}`));
    if (view.state === "DONE") break;
    if (view.state === "FAILED") throw new Trouble(`The backtest failed: ${JSON.stringify(view.error)}.`);
    if (performance.now() > untilMs)
      throw new Trouble(`The backtest is still ${view.state} after ${BACKTEST_WITHIN_MS / 1_000} s.`);
    await Bun.sleep(20);
  }
  return {
    orders: await allPages(`${runs}/${id}/orders?`, backtestOrder),
    equity: (await allPages(`${runs}/${id}/equity?`, equityPoint)).map(({ closeAtMs, equity }) => ({
      closeAtMs,
      equity,
    })),
  };
}

const ledgerState = z.object({
  bar: z.number(),
  lastPrice: z.string(),
  balances: z.record(z.string(), z.object({ free: z.string(), locked: z.string() })),
});

/** What the last line of the demo says. */
export interface DemoResult {
  bars: number;
  orders: number;
  fills: number;
  finalEquity: string;
  backtestEquity: string;
  venueFills: number;
  equal: boolean;
}

/** Reads all three accounts of the run and compares them to the last digit. `differences` says where they part. */
export async function compareRun(
  run: DemoRun,
  urls: ServiceUrls,
  sessionId: string,
): Promise<{ result: DemoResult; differences: string[] }> {
  const access = venueAccess(run, urls);
  const [engine, fills, backtest, orders, trades, state] = [
    await engineResult(urls, sessionId),
    await engineFills(urls, sessionId),
    await backtestResult(run, urls),
    await venueOrders(access),
    await venueTrades(access),
    ledgerState.parse(await getJson(`${access.url}/control/state`)),
  ];
  const venue = ordersOfVenue(orders, trades);
  const finalEquity = engine.equity.at(-1)?.equity ?? "0";
  const named = <Item>(name: string, items: readonly Item[]) => ({ name, items });
  const differences = [
    firstDifference("order", named("the engine", engine.orders), named("the backtest", backtest.orders)),
    firstDifference("order", named("the engine", engine.orders), named("the venue", venue)),
    firstDifference("fill", named("the engine", fills), named("the venue", fillsOfVenue(trades))),
    firstDifference("equity point", named("the engine", engine.equity), named("the backtest", backtest.equity)),
    firstDifference(
      "final equity",
      named("the engine", [finalEquity]),
      named("the venue", [worthOf(state.balances, normalize(state.lastPrice))]),
    ),
    firstDifference("number of bars", named("the engine", [engine.equity.length]), named("the demo", [run.bars])),
  ].filter((difference) => difference !== null);
  return {
    differences,
    result: {
      bars: engine.equity.length,
      orders: engine.orders.length,
      fills: fills.length,
      finalEquity,
      backtestEquity: backtest.equity.at(-1)?.equity ?? "0",
      venueFills: trades.length,
      equal: differences.length === 0,
    },
  };
}
