import type { AnyElysia } from "elysia";
import type { Logger } from "pino";
import type { z } from "zod";
import type { Bus } from "#shared/bus/bus.ts";
import type { Cache } from "#shared/cache/cache.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import type { ServiceClients } from "#shared/http/clients.ts";
import type { Leader } from "#shared/leader/leader.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
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
  /** One Elysia plugin; its prefix is /api/<service>. */
  routes?: AnyElysia;
}

/** What `src/services/<name>/index.ts` exports. */
export interface ServiceDefinition<Settings extends z.ZodObject = z.ZodObject> {
  name: string;
  /** One line for help texts and the README. */
  description: string;
  settings: Settings;
  create(deps: Deps, settings: z.infer<Settings>): Service;
}

/** Keeps the types of settings and create together. */
export function defineService<Settings extends z.ZodObject>(
  definition: ServiceDefinition<Settings>,
): ServiceDefinition<Settings> {
  return definition;
}
