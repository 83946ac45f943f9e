import { z } from "zod";
import { severitySchema } from "#shared/alerts/alert-kinds.ts";
import type { OutgoingEvent, Topic } from "#shared/bus/bus.ts";
import { candleSchema, quoteSchema, venueBarSchema, venueTradeSchema } from "#shared/domain/candle.ts";
import { degradationCodeSchema, degradationSchema } from "#shared/domain/degradation.ts";
import { fillSchema, orderSchema, orderStateSchema } from "#shared/domain/order.ts";
import { positionSchema } from "#shared/domain/position.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { sessionSchema, sessionStateSchema } from "#shared/domain/session.ts";
import { denialCodeSchema, signalSchema } from "#shared/domain/signal.ts";

/** Keeps the types of a topic. One that a service alone publishes and follows may stand in its folder. */
export function defineTopic<
  const Named extends Pick<Topic, "name" | "class">,
  Schemas extends Record<string, z.ZodType>,
>(contract: Topic<Schemas> & Named): Topic<Schemas> & Pick<Named, "name" | "class"> {
  return contract;
}

/** Each change of a session, with the session as it is after it. `from` is null at its creation. */
export const SESSIONS = defineTopic({
  name: "sessions",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "block",
  description: "Session life-cycle events, from session-manager.",
  schemas: { "session.changed": z.object({ from: sessionStateSchema.nullable(), session: sessionSchema }) },
});

const report = { sessionId: z.string(), run: z.number().int().positive(), atMs: epochMs };

/** What a session waits for in STARTING: its strategy's warm-up, and the comparison of its account with the venue. */
export const startStepSchema = z.enum(["warm", "reconciled"]);
export type StartStep = z.infer<typeof startStepSchema>;

/** What the services that carry a session out tell session-manager about one run of it. */
export const SESSION_REPORTS = defineTopic({
  name: "session-reports",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "block",
  description: "What the services that carry a session out tell session-manager.",
  schemas: {
    /** strategy-executor: warmed up; `candleN` is the newest candle it has seen. */
    "report.warm": z.object({ ...report, candleN: z.number().int().nonnegative() }),
    /** order-position-tracker: orders, fills and balances agree with the venue. */
    "report.reconciled": z.object(report),
    /** Why the report `until` has not been made yet: a sentence for a person. Told when the sentence changes. */
    "report.waiting": z.object({
      ...report,
      until: z.enum([...startStepSchema.options, "stopped"]),
      reason: z.string(),
    }),
    /** order-position-tracker: what the stop policy asks for is done. `reason`: what it could not close, in a sentence; null: nothing. */
    "report.stopped": z.object({ ...report, reason: z.string().nullable() }),
    "report.faulted": z.object({ ...report, reason: z.string() }),
    /** risk-manager: a person has killed it; what it holds is closed whatever becomes of this report. */
    "report.killed": z.object({ ...report, killId: z.string(), reason: z.string() }),
    /** risk-manager: a person has let the kill go that has stopped it, before it was flat. It keeps what it has. */
    "report.abandoned": z.object({ ...report, killId: z.string(), reason: z.string() }),
    /** risk-manager: a signal of the run was denied. */
    "report.denied": z.object({ ...report, code: denialCodeSchema, reason: z.string() }),
    /** It runs with something missing from now on, or for another reason than was told. */
    "report.degraded": z.object({ ...report, ...degradationSchema.shape }),
    /** That is over. */
    "report.restored": z.object({ ...report, code: degradationCodeSchema }),
  },
});

export const SIGNALS = defineTopic({
  name: "signals",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "block",
  description: "What strategies want, and what risk said to it.",
  schemas: {
    "signal.created": signalSchema,
    "signal.approved": z.object({ signalId: z.string(), sessionId: z.string(), orderIds: z.array(z.string()).min(1) }),
    "signal.denied": z.object({
      signalId: z.string(),
      sessionId: z.string(),
      /** The session's start that the signal belongs to. */
      run: z.number().int().positive(),
      code: denialCodeSchema,
      reason: z.string(),
    }),
  },
});

/** How long who keeps books of orders leaves their events to find company: those of one order come milliseconds apart. */
export const ORDER_LINGER_MS = 5;

/** One event per change of an order's state, and one per fill (with the order as it is after it). */
export const ORDERS = defineTopic({
  name: "orders",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "block",
  description: "Order states and fills: INITIALIZED from risk-manager, all else from order-position-tracker.",
  schemas: {
    "order.changed": z.object({ from: orderStateSchema.nullable(), order: orderSchema }),
    "order.filled": z.object({ from: orderStateSchema, order: orderSchema, fill: fillSchema }),
  },
});

export const POSITIONS = defineTopic({
  name: "positions",
  class: "durable",
  version: 1,
  key: "sessionId",
  onDead: "block",
  description: "Positions as fills change them, from order-position-tracker.",
  schemas: {
    "position.opened": positionSchema,
    "position.changed": positionSchema,
    "position.closed": positionSchema,
  },
});

export const ALERTS = defineTopic({
  name: "alerts",
  class: "durable",
  version: 1,
  key: "scope",
  onDead: "skip",
  description: "What a person should know: each alert is raised once, and ended by the same scope and code.",
  schemas: {
    "alert.raised": z.object({
      scope: z.string(),
      code: z.string(),
      severity: severitySchema,
      text: z.string(),
      atMs: epochMs,
      data: z.record(z.string(), z.json()),
    }),
    "alert.cleared": z.object({ scope: z.string(), code: z.string(), atMs: epochMs }),
  },
});

export const MARKET_TRADES = defineTopic({
  name: "market.trades",
  class: "volatile",
  version: 1,
  key: "instrumentId",
  onDead: "skip",
  maxLength: 100_000,
  description: "Public trades, from data-collect.",
  schemas: { "market.trade": venueTradeSchema },
});

export const MARKET_BARS = defineTopic({
  name: "market.bars",
  class: "volatile",
  version: 1,
  key: "instrumentId",
  onDead: "skip",
  maxLength: 10_000,
  description: "The venue's own closed bars, from data-collect; the newest of each series is repeated every second.",
  schemas: { "market.bar": venueBarSchema },
});

export const MARKET_QUOTES = defineTopic({
  name: "market.quotes",
  class: "volatile",
  version: 1,
  key: "instrumentId",
  onDead: "skip",
  maxLength: 10_000,
  description: "Best bid and ask, from data-collect: the newest, a few times a second at most.",
  schemas: { "market.quote": quoteSchema },
});

export const MARKET_CANDLES = defineTopic({
  name: "market.candles",
  class: "volatile",
  version: 1,
  key: "instrumentId",
  onDead: "skip",
  maxLength: 10_000,
  description:
    "Candles with their dense numbers, from market-data; the newest closed one of each series is repeated every second.",
  schemas: { "market.candle": candleSchema },
});

/** How a venue's clock stands to that of a process. */
export const venueClockSchema = z.object({
  venue: z.string().describe("Its name in R3_VENUES"),
  offsetMs: z
    .number()
    .nullable()
    .describe(
      "How far the venue's clock is ahead of the process' own, in milliseconds, by the middle of the round trip; null: it replays, and its time is none of the wall, or it has not told its time yet",
    ),
  roundTripMs: z
    .number()
    .nonnegative()
    .nullable()
    .describe(
      "How long the question and its answer took, in milliseconds: the offset is true to half of it; null: as above",
    ),
  measuredAtMs: epochMs.nullable().describe("When, by the process' clock, UTC epoch milliseconds; null: as above"),
});
export type VenueClock = z.infer<typeof venueClockSchema>;

/** What a process says of one of its services, every two seconds. What is of the process is the same in all of its beats. */
export const beatSchema = z.object({
  service: z.string().describe("The service"),
  instance: z.string().describe("The process, new at each start; also who it is where it leads"),
  host: z.string().describe("Name of the machine"),
  pid: z.number().int().describe("The process' id there"),
  version: z.string().describe("Version of the engine"),
  startedAtMs: epochMs.describe("When the process began, UTC epoch milliseconds"),
  atMs: epochMs.describe("When it said this, by its own clock, UTC epoch milliseconds"),
  ready: z.boolean().describe("Whether it takes work"),
  waitsFor: z.array(z.string()).describe("What it waits for; empty: it takes work"),
  leaving: z.boolean().describe("Its last beat: it was stopped, and has ended in order"),
  memoryBytes: z.number().nonnegative().describe("Memory of the process (RSS), in bytes"),
  loopDelayMs: z
    .number()
    .nonnegative()
    .describe("The longest time for which nothing else was done since the beat before, in milliseconds"),
  diskBytes: z.number().nonnegative().describe("Size of the disk that it works on, in bytes; 0: not known"),
  diskFreeBytes: z.number().nonnegative().describe("What of it is free, in bytes"),
  venueClocks: z.array(venueClockSchema).describe("The clocks of the venues that the service signs requests for"),
});
export type Beat = z.infer<typeof beatSchema>;

export const HEARTBEATS = defineTopic({
  name: "heartbeats",
  class: "volatile",
  version: 1,
  key: "service",
  onDead: "skip",
  maxLength: 1_000,
  description: "Liveness, version and load of each service process.",
  schemas: { "service.beat": beatSchema },
});

/** Builds an event whose type and data fit its topic. */
export function event<T extends Topic, Type extends keyof T["schemas"] & string>(
  of: T,
  key: string,
  type: Type,
  data: z.infer<T["schemas"][Type]>,
  links: { correlationId?: string; causationId?: string } = {},
): OutgoingEvent<T> {
  return { topic: of, key, type, data, ...links };
}
