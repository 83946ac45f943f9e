import { z } from "zod";
import { shortName as name } from "#shared/domain/schemas.ts";
import { FAILPOINTS } from "#shared/service/failpoints.ts";
import { flag, jsonText, wholeNumber } from "./values.ts";

const httpUrl = z.url({ protocol: /^https?$/, error: "must be a URL like http://127.0.0.1:7300" });
const wsUrl = z.url({ protocol: /^wss?$/, error: "must be a URL like ws://127.0.0.1:7300/ws" });

/** Refuses entries of one id: which of them counts could only be guessed. */
function distinct<Entry extends { id: string }>(entries: readonly Entry[]): boolean {
  return new Set(entries.map(({ id }) => id)).size === entries.length;
}
const NOT_DISTINCT = "must have different ids";

/** A venue and where it is. Without URLs it is the real one. */
export const venueSettingSchema = z
  .strictObject({
    id: name,
    connector: z.literal("binance"),
    restUrl: httpUrl.optional(),
    wsUrl: wsUrl.optional(),
    wsApiUrl: wsUrl.optional(),
    /** What time it is for strategies and signals there: wall time, or (a replay) the time in its events alone. */
    marketClock: z.enum(["wall", "replay"]).default("wall"),
    /**
     * How far its lists of orders and fills may be behind what it has executed, in milliseconds. An order whose fate is unknown
     * is waited for so much longer before it may be sent again. Users of Binance report up to 20 s.
     */
    listLagMs: z.number().int().min(0).max(3_600_000).default(60_000),
  })
  .refine(({ restUrl, wsUrl, wsApiUrl }) => restUrl !== undefined || (wsUrl === undefined && wsApiUrl === undefined), {
    error: "must be given where wsUrl or wsApiUrl is: without it the venue is the real one",
    path: ["restUrl"],
  });

/** An account at a venue and the keys to it. */
export const accountSettingSchema = z.strictObject({
  id: name,
  venue: name,
  apiKey: z.string().min(1),
  secret: z.string().min(1),
});

/** Where this process is to die, once: at the first passing of `point` at or after the bar or order given. */
export const failpointSettingSchema = z.strictObject({
  point: z.enum(FAILPOINTS),
  bar: z.number().int().positive().optional(),
  order: z.number().int().positive().optional(),
});

const serviceUrl = (service: string) =>
  httpUrl
    .optional()
    .describe(
      `Base URL of the process that runs ${service}; not used by a process that runs it too. Default: this process itself`,
    );

/** What every process may be told. The keys are the names of the variables. */
export const generalSchema = z.object({
  DATABASE_URL: z
    .url({
      protocol: /^postgres(ql)?$/,
      error: "must be a URL like postgres://user:password@127.0.0.1:5432/r3edge, with %XX for what a URL may not hold",
    })
    .default("postgres://postgres@127.0.0.1:5432/r3edge")
    .describe("URL of Postgres, 17 or newer, the only truth. May hold a password: never printed"),
  REDIS_URL: z
    .url({
      protocol: /^rediss?$/,
      error: "must be a URL like redis://:password@127.0.0.1:6379, with %XX for what a URL may not hold",
    })
    .default("redis://127.0.0.1:6379")
    .describe("URL of Redis, which carries wake-ups and events. May hold a password: never printed"),
  R3_PREFIX: name.default("r3").describe("First part of every key in Redis, so that systems can share one"),
  R3_PARTITIONS: wholeNumber(1, 256)
    .default(8)
    .describe("Partitions of each topic, and shards of strategy-executor. Never changed once there is data"),
  R3_HTTP_HOST: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .describe("Address the HTTP server listens on; on any other than 127.0.0.1, others can reach it"),
  R3_HTTP_ALLOWED_HOSTS: jsonText(
    z.array(z.string().regex(/^(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?$/, "must be hosts, each with a port or without")),
  )
    .default([])
    .describe(
      'Further hosts that requests may name, beside the addresses listened on and those of the R3_*_URL settings and R3_VENUES: JSON array like ["engine.example", "desk.example:8443"]; pages of one may use the engine',
    ),
  R3_HTTP_PORT: wholeNumber(0, 65_535).default(7_300).describe("Port of the HTTP server; 0: any that is free"),
  R3_HTTP_MAX_BODY_BYTES: wholeNumber(1_024, 104_857_600)
    .default(1_048_576)
    .describe("Largest body of a request, in bytes"),
  R3_HTTP_CHECK_ANSWERS: flag
    .default(false)
    .describe("Whether each answer is checked against its schema before it is sent, for tests: it takes time"),
  R3_HTTP_TIMEOUT_MS: wholeNumber(100, 600_000)
    .default(5_000)
    .describe("How long one service waits for another's answer, in milliseconds"),
  R3_DATA_COLLECT_URL: serviceUrl("data-collect"),
  R3_MARKET_DATA_URL: serviceUrl("market-data"),
  R3_STRATEGY_EXECUTOR_URL: serviceUrl("strategy-executor"),
  R3_ORDER_POSITION_TRACKER_URL: serviceUrl("order-position-tracker"),
  R3_MONITORING_URL: serviceUrl("monitoring"),
  R3_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .describe("The least important lines that are logged"),
  R3_LOG_FORMAT: z
    .enum(["auto", "json", "pretty"])
    .default("auto")
    .describe("json: one line a fact; pretty: for a person; auto: pretty on a terminal"),
  R3_STOP_TIMEOUT_MS: wholeNumber(100, 600_000)
    .default(10_000)
    .describe("How long a process may take to stop, in milliseconds"),
  R3_LEASE_MS: wholeNumber(500, 600_000)
    .default(5_000)
    .describe("How long a leader's lease lasts without being extended, in milliseconds"),
  R3_HANDLER_DEADLINE_MS: wholeNumber(500, 3_600_000)
    .default(10_000)
    .describe("How long the handler of a batch of events or tasks may take before it is given up, in milliseconds"),
  R3_DEAD_AFTER_TRIES: wholeNumber(1, 10_000)
    .default(30)
    .describe(
      "How often an event or a task may fail in a row before it waits for a person; 30 are some eleven minutes",
    ),
  R3_LOG_KEEP_DAYS: wholeNumber(1, 3_650)
    .default(7)
    .describe("How long events stay in the log once every group has them, in days"),
  R3_TASKS_KEEP_DAYS: wholeNumber(1, 3_650).default(7).describe("How long tasks stay once they are done, in days"),
  R3_DECISIONS_KEEP_DAYS: wholeNumber(1, 3_650)
    .default(90)
    .describe("How long it stays known what a person decided about a dead event or task that is over, in days"),
  R3_DATABASE_CONNECTIONS: wholeNumber(2, 500).default(10).describe("Connections to Postgres at most, a process"),
  R3_DATABASE_TIMEOUT_MS: wholeNumber(200, 600_000)
    .default(5_000)
    .describe(
      "How long a connection to Postgres is waited for, and each of its answers, in milliseconds; one that is silent for longer is given up",
    ),
  R3_VENUES: jsonText(z.array(venueSettingSchema).refine(distinct, NOT_DISTINCT))
    .default([])
    .describe(
      'Venues: JSON array of {id, connector: "binance", restUrl?, wsUrl?, wsApiUrl?, marketClock?: "wall" or "replay", listLagMs?: how far its lists of orders and fills may lag, 60000}; without URLs the real one, without a clock wall time',
    ),
  R3_ACCOUNTS: jsonText(z.array(accountSettingSchema).refine(distinct, NOT_DISTINCT))
    .default([])
    .describe("Accounts: JSON array of {id, venue, apiKey, secret}. Secret: never printed"),
  R3_STRATEGY_FOLDERS: z
    .string()
    .default("strategies")
    .describe(
      "Folders whose files' exported strategies sessions and backtests may name, with commas between; relative ones are the engine's own",
    ),
  R3_STRATEGY_RELOAD: flag
    .default(false)
    .describe("Whether changed files of strategies are loaded anew for what begins from then on, as bin/up does"),
  R3_STRATEGY_THREADS: wholeNumber(1, 64)
    .default(2)
    .describe("Threads that the strategies of a process's sessions share"),
  R3_STRATEGY_BAR_BUDGET_MS: wholeNumber(10, 60_000)
    .default(1_000)
    .describe(
      "How long a strategy may take for one bar before its thread is ended and its session faulted, in milliseconds",
    ),
  R3_STRATEGY_SLOW_BUDGET_MS: wholeNumber(100, 600_000)
    .default(10_000)
    .describe("The same for its first bar, for a bar of its warm-up and for being loaded, in milliseconds"),
  R3_STRATEGY_THREAD_MEMORY_MB: wholeNumber(16, 65_536)
    .default(512)
    .describe("How large a thread of strategies may grow before it is ended, in megabytes"),
  R3_FAILPOINTS: jsonText(z.array(failpointSettingSchema))
    .default([])
    .describe(
      "For tests, where this process is to die: JSON array of {point, bar?, order?}. Refused with a real venue",
    ),
  R3_FAILPOINT_FOLDER: z
    .string()
    .optional()
    .describe("Folder of the marks that say which failpoint has been used. Default: none, and no failpoint may be set"),
});
export type GeneralSettings = z.infer<typeof generalSchema>;

/** Variables of the environment alone, and what they mean: the one that finds the file, and those of the tests. */
export const OTHER_VARIABLES: Readonly<Record<string, string>> = {
  R3_SETTINGS_FILE: "Path of a file of settings like this one; the environment's own variables stand above it",
  R3_TEST_DATABASE_URL:
    "Postgres of a single test file, a URL whose user may create databases; bin/test starts its own",
  R3_TEST_REDIS_URL: "Redis of a single test file, a URL; bin/test starts its own",
};
