import type { Clock } from "#shared/clock/clock.ts";
import { AppError, messageOf, reasonOf } from "#shared/errors/app-error.ts";
import type { Logger } from "#shared/telemetry/logger.ts";
import type { Part } from "./runner.ts";

/** A server that this process cannot do without. */
export interface WatchedServer {
  /** As a person calls it: "Postgres". */
  name: string;
  /** The variable that says where it is. */
  setting: string;
  /** Nobody has set it: the server is looked for where its default says. */
  isDefault?: boolean;
  /** A real write; throws where it is not taken. A server that is full or read-only answers a ping. */
  write(): Promise<void>;
  /** Throws where the server is not set as it has to be. Asked at the start, and now and then: a hand may change it. */
  fits?(): Promise<void>;
}

export interface WatchOptions {
  servers: readonly WatchedServer[];
  clock: Clock;
  log: Logger;
  /** How often each is written to. Default 2,000. */
  intervalMs?: number;
  /** A server that takes longer than this counts as away. */
  timeoutMs?: number;
}

/** How often a server is asked whether it is set as it has to be; one that was away, or is not, with each write. */
const FITS_EVERY_MS = 30_000;

/** The servers that take nothing now, each with the reason, and the part that keeps them up to date. */
export interface ServerWatch extends Part {
  away(): readonly string[];
}

/**
 * At the start each server has to take a write and to be set as it has to be; from then on it is asked again and again, and
 * one that does not, or is not any more, makes the process not ready.
 */
export function watchServers(options: WatchOptions): ServerWatch {
  const { servers, clock, log } = options;
  const away = new Map<string, string>();
  const ended = new AbortController();
  const loops: Promise<void>[] = [];
  const timeoutMs = options.timeoutMs ?? 3_000;
  const ask = (question: () => Promise<void>) => within(question, clock, timeoutMs);
  const watch = async (server: WatchedServer) => {
    let fitAtMs = clock.monotonicMs();
    while (!ended.signal.aborted) {
      await clock.sleep(options.intervalMs ?? 2_000, ended.signal);
      if (ended.signal.aborted) return;
      try {
        await ask(() => server.write());
        if (away.has(server.name) || clock.monotonicMs() - fitAtMs >= FITS_EVERY_MS) {
          await ask(async () => server.fits?.());
          fitAtMs = clock.monotonicMs();
        }
        if (away.delete(server.name)) log.info({ server: server.name }, "a server is back");
      } catch (error) {
        if (!away.has(server.name)) log.warn({ server: server.name, reason: messageOf(error) }, "a server is away");
        away.set(server.name, reasonOf(error));
      }
    }
  };
  return {
    name: "servers",
    away: () => [...away].map(([name, reason]) => `${name} (${reason})`),
    async start() {
      await Promise.all(
        servers.map(async (server) => {
          await atStart(server, () => ask(() => server.write()), { clock, log, signal: ended.signal });
          await ask(async () => server.fits?.());
        }),
      );
      loops.push(...servers.map(watch));
    },
    async stop() {
      ended.abort();
      await Promise.all(loops);
    },
  };
}

type ServerName = Pick<WatchedServer, "name" | "setting" | "isDefault">;

/** What a server says that is there and will take work by itself: it recovers after a crash, its tables are locked, or it reads its file. */
const COMING_UP = new Set<unknown>(["57P03", "55P03", "LOADING"]);
/** How long a start waits for such a one, and how often it asks, in milliseconds. */
const COMES_UP_WITHIN_MS = 60_000;
const ASKS_EVERY_MS = 200;

/**
 * Runs what needs a server at the start; where it is away, the sentence says which setting to look at. One that says that it is
 * coming up is waited for, and then also where it does not answer for a while.
 */
export async function atStart<Result>(
  server: ServerName,
  run: () => Promise<Result>,
  { clock, log, signal = new AbortController().signal }: { clock: Clock; log?: Logger; signal?: AbortSignal },
): Promise<Result> {
  const untilMs = clock.monotonicMs() + COMES_UP_WITHIN_MS;
  let isComing = false;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== "outage") throw error;
      const wasComing = isComing;
      isComing ||= COMING_UP.has(error.details["code"]);
      if (!isComing || signal.aborted || clock.monotonicMs() >= untilMs) throw refusalOf(server, error);
      if (!wasComing) log?.info({ server: server.name, reason: reasonOf(error) }, "a server is coming up, waiting");
    }
    await clock.sleep(ASKS_EVERY_MS, signal);
  }
}

function refusalOf({ name, setting, isDefault = false }: ServerName, error: AppError): AppError {
  const text = isDefault
    ? `${name} is looked for where the default of ${setting} says, and cannot be used there: ${reasonOf(error)}. Set ${setting}; \`bin/up\` starts one of its own.`
    : `${name}, which ${setting} names, cannot be used: ${reasonOf(error)}.`;
  return new AppError(error.code, error.kind, text, { cause: error, details: error.details });
}

async function within(question: () => Promise<void>, clock: Clock, timeoutMs: number): Promise<void> {
  const answered = new AbortController();
  const late = clock.sleep(timeoutMs, answered.signal).then(() => {
    if (answered.signal.aborted) return;
    throw new AppError("SERVICE_UNAVAILABLE", "outage", `no answer within ${timeoutMs} ms`);
  });
  try {
    await Promise.race([question(), late]);
  } finally {
    answered.abort();
  }
}
