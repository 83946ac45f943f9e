import postgres from "postgres";
import { z } from "zod";
import { engineSettings, type PaperMarket, type ServiceUrls } from "#demo/demo-settings.ts";
import { type Apart, chooseUrls, startServices } from "#demo/engine.ts";
import { makeDatabase } from "#local/make-database.ts";
import { postJson } from "#local/rest.ts";
import { Trouble } from "#local/say.ts";
import type { Scratch } from "#local/scratch.ts";
import type { Servers } from "#local/servers.ts";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import { type Order, orderSchema } from "#shared/domain/order.ts";

/** When the sessions of a crowd signal, as bench/strategies/on-close.ts has it. */
export type Flips = "never" | "at-minutes" | "in-bursts-too" | number;

/** An engine for many sessions on one synthetic market of bars of a second. */
export interface Crowd {
  urls: ServiceUrls;
  /** The supervisor's names of its processes. */
  programs: readonly string[];
  sql: postgres.Sql;
  /** Creates so many sessions and starts them, all at once. Answers their ids. */
  add(count: number, flips: Flips): Promise<string[]>;
  /** Waits until all of these run; answers how long that took. Throws a Trouble after `withinMs`. */
  untilRunning(ids: readonly string[], withinMs: number): Promise<number>;
  /** When each session made its first signal of those in [fromMs, untilMs), in milliseconds since 1970. */
  signals(fromMs: number, untilMs: number): Promise<number[]>;
  /** The orders of those signals. */
  orders(fromMs: number, untilMs: number): Promise<Order[]>;
  /** Whether no task waits, and no order is on its way. */
  isSettled(): Promise<boolean>;
  close(): Promise<void>;
}

const MARKET = "crowd";
const CAPITAL = "10000";
/** Who owns a partition is drawn: of so many each of a few processes has some. */
const SHARED_OUT = "32";

function crowdMarket(): PaperMarket {
  const [apiKey, secret] = [crypto.randomUUID(), crypto.randomUUID()];
  return {
    venue: MARKET,
    id: MARKET,
    apiKey,
    secret,
    marketClock: "wall",
    settings: {
      id: MARKET,
      symbol: "BTC/USDT",
      pace: "synthetic",
      seed: 1,
      startPrice: "30000",
      historyBars: 100,
      rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" },
      fees: { maker: "0.001", taker: "0.001" },
      account: { apiKey, secret, balances: { USDT: "100000000" } },
    },
  };
}

/** Who does not burst only signals, if at all: its orders would be too small for the venue, and are denied. */
function sessionOf(name: string, flips: Flips) {
  return {
    name,
    strategy: "on-close",
    params: { flips },
    instrumentIds: [`BTC/USDT.${MARKET}`],
    timeFrame: "1s",
    accountId: MARKET,
    capital: CAPITAL,
    riskPolicy: { sizing: { method: "fixed-size", size: flips === "in-bursts-too" ? "0.01" : "0.0001" } },
    stopPolicy: "keep",
  };
}

/** What is read of a crowd, past the engine. */
function readsOf(sql: postgres.Sql): Pick<Crowd, "untilRunning" | "signals" | "isSettled" | "orders"> {
  return {
    async untilRunning(ids, withinMs) {
      const beganMs = performance.now();
      for (;;) {
        const rows = await sql<{ state: string; count: number }[]>`
          select state, count(*)::int as count from reference.sessions where id = any(${[...ids]}) group by state`;
        const tookMs = performance.now() - beganMs;
        if (rows.length === 1 && rows[0]?.state === "RUNNING") return tookMs;
        const states = rows.map(({ state, count }) => `${count} ${state}`).join(", ");
        if (tookMs > withinMs) throw new Trouble(`After ${withinMs / 1_000} s the sessions are: ${states}.`);
        await Bun.sleep(100);
      }
    },
    async signals(fromMs, untilMs) {
      const rows = await sql<{ at: number }[]>`
        select min((envelope -> 'data' ->> 'createdAtMs')::float8) as at from bus.log
        where topic = 'signals' and type = 'signal.created'
          and (envelope -> 'data' ->> 'createdAtMs')::float8 >= ${fromMs}
          and (envelope -> 'data' ->> 'createdAtMs')::float8 < ${untilMs}
        group by key`;
      return rows.map(({ at }) => at);
    },
    async isSettled() {
      const [row] = await sql`
        select not exists (select 1 from queue.tasks where state = 'open')
          and not exists (select 1 from order_position_tracker.orders where is_open) as settled`;
      return row?.["settled"] === true;
    },
    async orders(fromMs, untilMs) {
      const rows = await sql<{ data: unknown }[]>`
        select data from order_position_tracker.orders
        where (data ->> 'signalAtMs')::numeric >= ${fromMs} and (data ->> 'signalAtMs')::numeric < ${untilMs}`;
      return rows.map(({ data: order }) => orderSchema.parse(order));
    },
  };
}

/** Starts the services in one process, or in one each, without a session. */
export async function startCrowd(
  { supervisor, data, env: given }: Scratch,
  servers: Servers,
  { processes, apart }: { processes: boolean; apart?: Apart },
): Promise<Crowd> {
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_crowd");
  const urls = await chooseUrls(processes, { apart: apart?.service });
  const own = { R3_STRATEGY_FOLDERS: "strategies,bench/strategies", R3_LOG_LEVEL: "warn" };
  const settings = engineSettings({
    given,
    markets: [crowdMarket()],
    urls,
    databaseUrl,
    redisUrl: servers.redisUrl,
    prefix: "r3-crowd",
    dataFolder: data.path,
    failpoints: [],
  });
  const programs = await startServices(supervisor, {
    urls,
    env: { ...settings, ...own, ...(apart && { R3_PARTITIONS: SHARED_OUT }) },
    processes,
    ...(apart && { apart }),
  });
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  const base = `${urls["session-manager"]}/api/session-manager/sessions`;
  // A process lets 256 requests out at a time; who watches needs some of them.
  const limit = new CallLimit({ service: "session-manager", atOnce: 200, inLine: Number.POSITIVE_INFINITY });
  const patience = new AbortController().signal;
  let made = 0;

  async function addOne(name: string, flips: Flips): Promise<string> {
    const created = await postJson(base, sessionOf(name, flips), { idempotencyKey: name });
    const { id } = z.object({ id: z.string() }).parse(created.body);
    await postJson(`${base}/${id}/start`, {}, { idempotencyKey: `${name} start` });
    return id;
  }

  return {
    urls,
    programs,
    sql,
    add(count, flips) {
      const names = Array.from({ length: count }, () => `session ${(made += 1)}`);
      return Promise.all(names.map((name) => limit.run(patience, () => addOne(name, flips))));
    },
    ...readsOf(sql),
    close: () => sql.end(),
  };
}
