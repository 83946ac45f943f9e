import { Redis } from "ioredis";
import { backoffMs, RECONNECT } from "#shared/clock/backoff.ts";
import { AppError, messageOf, reasonOf } from "#shared/errors/app-error.ts";

/** Settings of the Redis broker. */
export interface RedisBrokerOptions {
  url: string;
  /** What all keys begin with. */
  prefix: string;
  /** The log's time line: streams of another one are never read. */
  incarnation: string;
  /** How long a command may take before it counts as failed. Default 1,000. */
  deadlineMs?: number;
  /** How long a blocking read waits. Default 1,000. */
  blockMs?: number;
}

/**
 * One connection. Nothing waits in a queue while it is away: a command fails at once, and what was under way fails with
 * the connection (a resend after a lost reply would add entries twice). One that leaves a command unanswered for `deadlineMs`
 * is made anew: where nobody closes it, a silent one would stay for minutes.
 */
export function connect(url: string, deadlineMs: number, more: { enableReadyCheck?: boolean } = {}): Redis {
  const redis = new Redis(url, {
    ...more,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    keepAlive: 5_000,
    noDelay: true,
    retryStrategy: (times) => backoffMs(RECONNECT, times),
    // After a fail-over the old master says READONLY: connect again and find the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
    socketTimeout: deadlineMs,
  });
  // Each command fails with it; the connection is made again by itself.
  redis.on("error", (error) => lastErrors.set(redis, reasonIn(error.message)));
  const waiting = new Set<() => void>();
  waitingFor.set(redis, waiting);
  redis.on("ready", () => {
    for (const wake of waiting) wake();
  });
  return redis;
}

/** Who waits until a connection is usable: a listener for each of a crowd would look like a leak. */
const waitingFor = new WeakMap<Redis, Set<() => void>>();

/** Why a connection is not usable: a command that finds none says only that. */
const lastErrors = new WeakMap<Redis, string>();

/** What Redis says to one who comes without a password is about its protocol. */
function reasonIn(message: string): string {
  return message.startsWith("NOAUTH") ? "it wants a password (redis://:password@host)" : message;
}

/** Waits until a connection that `connect` made is usable. Throws BROKER_UNAVAILABLE after the deadline. */
export async function usable(redis: Redis, deadlineMs: number): Promise<void> {
  if (redis.status === "ready") return;
  const ready = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => ready.reject(brokerError(new Error(lastErrors.get(redis) ?? `not connected, ${redis.status}`))),
    deadlineMs,
  );
  const waiting = waitingFor.get(redis);
  waiting?.add(ready.resolve);
  try {
    await ready.promise;
  } finally {
    clearTimeout(timer);
    waiting?.delete(ready.resolve);
  }
}

/** Anything that Redis or its client threw, as an outage of the broker. */
export function brokerError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  // The client's words for a lost connection are about its own options.
  const isLost = messageOf(error).startsWith("Reached the max retries per request limit");
  const text = isLost ? "the connection to it was lost" : reasonIn(messageOf(error));
  const cause = text === messageOf(error) ? error : new Error(text, { cause: error });
  const details = text.startsWith("LOADING") ? { code: "LOADING" } : {};
  return new AppError("BROKER_UNAVAILABLE", "outage", `The broker is not available: ${reasonOf(cause)}.`, {
    cause,
    details,
  });
}

/** The results of a pipeline, one by one; a failed connection throws. */
export async function runPipeline(pipeline: ReturnType<Redis["pipeline"]>): Promise<[Error | null, unknown][]> {
  if (pipeline.length === 0) return [];
  try {
    return (await pipeline.exec()) ?? [];
  } catch (error) {
    throw brokerError(error);
  }
}

/** Entries as XREADGROUP, XREAD and XAUTOCLAIM give them: id and fields; null where the entry is gone. */
export type RawEntry = [id: string, fields: string[] | null];

/** The number of a durable entry: its id is `<seq>-0`. */
export function seqOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

/** The two numbers of an id, `<first>-<second>`. */
export type IdParts = readonly [first: number, second: number];

export function partsOf(id: string): IdParts {
  return [seqOf(id), Number(id.slice(id.indexOf("-") + 1))];
}

/** Whether an id comes before another one. */
export function isBelow([first, second]: IdParts, [otherFirst, otherSecond]: IdParts): boolean {
  return first < otherFirst || (first === otherFirst && second < otherSecond);
}
