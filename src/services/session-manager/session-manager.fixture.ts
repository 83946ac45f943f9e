import { type AnyElysia, Elysia } from "elysia";
import pino from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import type { Db } from "#shared/db/db.ts";
import { type Instrument, instrumentSchema } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { ServiceClients } from "#shared/http/clients.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import type { CreateSession, SessionView } from "./contract.ts";
import { sessionManager } from "./index.ts";
import type { Named } from "./reports/missing-settings.ts";

/** What the other services answer; tests change it. */
export interface World {
  exposure: { openOrders: number; positions: number };
  down: boolean;
  strategyVersion: string;
  /** They answer behind it. */
  gate: Promise<void>;
}

/** What a test asks for. */
export interface Call {
  method?: string;
  path?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** An answer, read. */
export interface Called {
  status: number;
  etag: string | null;
  /** The session, or problem details. */
  body: SessionView & {
    code: string;
    detail?: string;
    allowed?: string[];
    errors?: { field: string }[];
    items: SessionView[];
    nextCursor: string;
  };
}

/** One replica of the service over a real database. */
export interface Replica {
  service: Service;
  clock: ManualClock;
  world: World;
  /** Below `/api/session-manager/sessions`. */
  call(call: Call): Promise<Called>;
  /** Any address of the service. */
  ask(call: Call): Promise<Called>;
  create(headers?: Record<string, string>, more?: Partial<CreateSession>): Promise<Called>;
}

const INSTRUMENTS = [instrument("SPX/USD.paper"), instrument("NDX/USD.paper"), instrument("BTC/USDT.binance")];

/** A session as a person would ask for it. */
export const WANTED = {
  name: "first",
  strategy: "sma-cross",
  params: { fast: 5 },
  instrumentIds: ["SPX/USD.paper"],
  timeFrame: "1d",
  accountId: "demo",
  capital: "10000",
  riskPolicy: { sizing: { method: "percent-of-equity", percent: "95" } },
} as const;

/** The settings of a replica: what WANTED needs, and more. */
export const NAMED: Named = { venues: ["paper", "binance"], accounts: [{ id: "demo", venue: "paper" }] };

/** Makes a replica that is not started: its routes work. */
export function createReplica(db: Db, bus: Bus, exchanges: Named = NAMED): Replica {
  const world: World = {
    exposure: { openOrders: 0, positions: 0 },
    down: false,
    strategyVersion: "1.0.0",
    gate: Promise.resolve(),
  };
  const clock = createManualClock(1_700_000_000_000);
  const clients = clientsOf(world);
  const deps = {
    db,
    bus,
    clients,
    clock,
    exchanges,
    log: pino({ level: "silent" }),
  } as unknown as Deps;
  const service = sessionManager.create(deps, sessionManager.settings.parse({}));
  const routes: AnyElysia = service.routes ?? new Elysia();
  const ask = async ({ method = "GET", path = "", body, headers = {} }: Call): Promise<Called> => {
    const init: RequestInit = { method, headers: { ...headers } };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { ...headers, "content-type": "application/json" };
    }
    const answer = await routes.handle(new Request(`http://localhost/api/session-manager${path}`, init));
    const text = await answer.text();
    return { status: answer.status, etag: answer.headers.get("etag"), body: text === "" ? null : JSON.parse(text) };
  };
  const call = (sent: Call) => ask({ ...sent, path: `/sessions${sent.path ?? ""}` });
  return {
    service,
    clock,
    world,
    call,
    ask,
    create: (headers = {}, more = {}) => call({ method: "POST", body: { ...WANTED, ...more }, headers }),
  };
}

function clientsOf(world: World): Partial<ServiceClients> {
  const answer = async <Value>(value: Value): Promise<Value> => {
    await world.gate;
    if (world.down) throw new AppError("SERVICE_UNAVAILABLE", "transient", "It does not answer.");
    return value;
  };
  return {
    marketData: {
      instrument: (id) => answer(INSTRUMENTS.find((known) => known.id === id) ?? null),
    } as ServiceClients["marketData"],
    strategyExecutor: {
      validate: ({ strategy, params }) => {
        if (strategy !== "sma-cross") return answer({ kind: "unknown-strategy", known: ["sma-cross"], faults: [] });
        const given = params as Record<string, unknown>;
        if (typeof (given["fast"] ?? 0) !== "number") {
          return answer({ kind: "invalid-params", errors: [{ field: "params.fast", message: "must be a number" }] });
        }
        return answer({
          kind: "valid",
          strategyVersion: world.strategyVersion,
          params: { fast: 10, slow: 30, ...given },
        });
      },
    },
    orderPositionTracker: {
      exposure: () => answer(world.exposure),
      exposed: () => answer({ items: [], nextCursor: null }),
      account: (id) => answer(id === "demo" ? { id, venue: "paper" } : null),
    },
  };
}

function instrument(id: string): Instrument {
  const [symbol = "", venue = ""] = id.split(".");
  const [base = "", quote = ""] = symbol.split("/");
  return instrumentSchema.parse({
    id,
    symbol,
    venue,
    base,
    quote,
    venueSymbol: base + quote,
    priceStep: "0.01",
    sizeStep: "0.0001",
    minSize: "0.0001",
    maxSize: null,
    minNotional: "10",
    maxNotional: null,
    makerFee: "0.001",
    takerFee: "0.001",
    feeDecimals: 8,
    status: "TRADING",
    timeFrames: ["1d"],
  });
}
