import type { AnyElysia } from "elysia";
import type { Logger } from "pino";
import type { z } from "zod";
import type { AlertKinds } from "#shared/alerts/alert-kinds.ts";
import type { Bus, Topic } from "#shared/bus/bus.ts";
import type { ServerMemory } from "#shared/bus/server-memory.ts";
import type { Cache } from "#shared/cache/cache.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import type { ServiceClients } from "#shared/http/clients.ts";
import type { Leader } from "#shared/leader/leader.ts";
import type { VenueClock } from "#shared/messages/topics.ts";
import type { TaskQueue, TaskType } from "#shared/queue/queue.ts";
import type { QueueBoard } from "#shared/queue/queue-board.ts";
import type { Failpoints } from "#shared/service/failpoints.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";

/** What a service is made from: ports, each with its adapter chosen in bin/run.ts. */
export interface Deps {
  db: Db;
  bus: Bus;
  queue: TaskQueue;
  leader: Leader;
  cache: Cache;
  exchanges: Exchanges;
  /** REST clients of the other services. */
  clients: ServiceClients;
  strategies: StrategyHost;
  /** The pages of the task queues' jobs. */
  queueBoard: QueueBoard;
  /** Every kind of alert that the services and their processes raise. */
  alertKinds: AlertKinds;
  /** How full Redis is. Fails with an outage where it is away. */
  redisMemory(): Promise<ServerMemory>;
  clock: Clock;
  log: Logger;
  failpoints: Failpoints;
}

/** A running service. */
export interface Service {
  /** Resolves once it takes work. Rejects with an AppError that a person can act on. */
  start(signal: AbortSignal): Promise<void>;
  /** Ends what runs, in reverse order of its start; resolves when nothing of it is left. */
  stop(): Promise<void>;
  /** What it still waits for, one short phrase each; empty: ready. */
  notReady(): readonly string[];
  /** How the clocks of the venues stand that it signs requests for; left out: it signs none. Its heartbeats say so. */
  venueClocks?: () => readonly VenueClock[];
  /** One Elysia plugin; its prefix is /api/<service>. */
  routes?: AnyElysia;
  /** HTML at the head of the start page of its process, which then loads itself anew every few seconds. */
  startPage?: () => Promise<string>;
}

/** The ports of a service that stands outside the engine: without Postgres and Redis. */
export type ProcessPorts = Pick<Deps, "clock" | "log" | "failpoints">;

/** What a service says of itself, once: what lists, checks and papers are made from. */
interface Declared<Settings extends z.ZodObject> {
  /** Also of its group, its queue, its folder and its schema (with _ for -), which the folder's `migrations/` make. */
  name: string;
  /** One line for help texts and papers. */
  description: string;
  /** How there can be several of it, in a few words. */
  scaling: string;
  settings: Settings;
  /** The topics that it follows, and those that it publishes: its bus refuses any other. */
  topics: { in: readonly Topic[]; out: readonly Topic[] };
  /** The tasks that it works, and those that it asks for: its queue refuses any other. */
  tasks: { works: readonly TaskType[]; asks: readonly TaskType[] };
  /** What it raises, as no other service does: its bus refuses any other. */
  alerts: AlertKinds;
}

/** What `src/services/<name>/index.ts` exports. `needs`: all ports of the engine, or those that need no server. */
export type ServiceDefinition<Settings extends z.ZodObject = z.ZodObject> = Declared<Settings> &
  (
    | { needs: "engine"; create(deps: Deps, settings: z.infer<Settings>): Service }
    | { needs: "process"; create(deps: ProcessPorts, settings: z.infer<Settings>): Service }
  );

/** Keeps the types of settings and create together. */
export function defineService<Settings extends z.ZodObject>(
  definition: ServiceDefinition<Settings>,
): ServiceDefinition<Settings> {
  return definition;
}
