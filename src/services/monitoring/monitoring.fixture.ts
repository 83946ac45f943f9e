import { pino } from "pino";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { createRedisWrites } from "#shared/bus/redis-writes.ts";
import type { ServerMemory } from "#shared/bus/server-memory.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { ExposedSession, ServiceClients } from "#shared/http/clients.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import type { AdvisoryLock } from "#shared/leader/leader.ts";
import { type Beat, event, HEARTBEATS } from "#shared/messages/topics.ts";
import type { Wakeups } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { Service } from "#shared/service/service.ts";
import { type Context, createContext } from "./context.ts";
import { createMonitoring } from "./service.ts";
import { type MonitoringSettings, monitoringSettings } from "./settings.ts";

const log = pino({ level: "silent" });

/** The adapters that only a test file may name. */
export interface Adapters {
  wakeups: (redis: TestRedis) => Wakeups;
  lock: (redis: TestRedis) => AdvisoryLock;
}

/** How far a test has moved the wall clock on, and what Redis says instead of its own word. */
export const HAND: { aheadMs: number; redisMemory: (() => Promise<ServerMemory>) | null } = {
  aheadMs: 0,
  redisMemory: null,
};
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + HAND.aheadMs };

/** What order-position-tracker tells of, a thousand a page as it does. `failsAtPage`: the page that it does not answer. */
export const TRACKER: { exposed: ExposedSession[]; failsAtPage: number } = { exposed: [], failsAtPage: -1 };
const exposed: ServiceClients["orderPositionTracker"]["exposed"] = async (cursor) => {
  const page = Number(cursor ?? 0);
  if (page === TRACKER.failsAtPage) throw new Error("it is away");
  const [from, to] = [page * 1_000, (page + 1) * 1_000];
  const nextCursor = to < TRACKER.exposed.length ? String(page + 1) : null;
  return { items: TRACKER.exposed.slice(from, to), nextCursor };
};
const CLIENTS = { orderPositionTracker: { exposed } } as unknown as ServiceClients;

/** A beat of a process; what is not given is well. */
export function beatOf(beat: Partial<Beat> & Pick<Beat, "service" | "instance">): Beat {
  return {
    host: "desk",
    pid: 42,
    version: "1.0.0",
    startedAtMs: 1,
    atMs: clock.nowMs(),
    ready: true,
    waitsFor: [],
    leaving: false,
    memoryBytes: 100e6,
    loopDelayMs: 3,
    diskBytes: 1e12,
    diskFreeBytes: 5e11,
    venueClocks: [],
    ...beat,
  };
}

/** The ports of a process of its own. */
async function openPorts({ db }: TestDatabase, redis: TestRedis, { lock, wakeups }: Adapters) {
  const logStore = createPostgresLogStore(db);
  const leader = createLeader({ db, lock: lock(redis), clock: systemClock, log, leaseMs: 1_000, retryMs: 20 });
  const incarnation = await logStore.incarnation();
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation, blockMs: 100 });
  const bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance: crypto.randomUUID() });
  const queue = createTaskQueue({ db, wakeups: wakeups(redis), clock: systemClock, log, sweepMs: 50 });
  const writes = createRedisWrites(redis);
  const redisMemory = () => HAND.redisMemory?.() ?? writes.memory();
  return {
    deps: { db, bus, queue, leader, clients: CLIENTS, alertKinds: {}, redisMemory, clock, log },
    async close() {
      for (const port of [queue, bus, leader, writes]) await port.close();
    },
  };
}
type Ports = Awaited<ReturnType<typeof openPorts>>;

/** Monitoring on real servers; the test stands for all that it sees. */
export class World {
  readonly #closers: (() => Promise<void>)[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly redis: TestRedis,
    private readonly adapters: Adapters,
  ) {}

  static async create(adapters: Adapters): Promise<World> {
    HAND.aheadMs = 0;
    HAND.redisMemory = null;
    Object.assign(TRACKER, { exposed: [], failsAtPage: -1 });
    return new World(await createTestDatabase(), testRedis(), adapters);
  }

  async open(): Promise<Ports> {
    const ports = await openPorts(this.database, this.redis, this.adapters);
    this.#closers.push(() => ports.close());
    return ports;
  }

  /** What a look is made with, without the service around it. */
  async context(given: Partial<MonitoringSettings> = {}): Promise<Context> {
    const { deps } = await this.open();
    return createContext(deps, { ...monitoringSettings.parse({}), ...given });
  }

  /** Starts one more instance. */
  async start(alertKinds: Context["deps"]["alertKinds"]): Promise<Service> {
    const { deps } = await this.open();
    const settings = { ...monitoringSettings.parse({}), R3_MONITORING_LOOK_MS: 50 };
    const service = createMonitoring({ ...deps, alertKinds }, settings);
    await service.start(new AbortController().signal);
    this.#closers.push(() => service.stop());
    return service;
  }

  /** The alerts that were raised and ended, as the topic has them, in the order of their partitions. */
  async told(): Promise<{ type: string; scope: string; code: string }[]> {
    const rows = await this.database.db.sql<{ type: string; scope: string; code: string }[]>`
      select type, envelope -> 'data' ->> 'scope' as scope, envelope -> 'data' ->> 'code' as code
      from bus.log where topic = 'alerts' order by part, seq`;
    return [...rows];
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    await this.redis.cleanup();
    await this.database.drop();
  }
}

/** Says these beats as their processes do. */
export async function say({ deps }: Ports, beats: readonly Beat[]): Promise<void> {
  await deps.bus.publishVolatile(beats.map((beat) => event(HEARTBEATS, beat.service, "service.beat", beat)));
}

/** Asks an instance as a client does; a body makes it a POST. */
export async function ask(
  service: Service,
  path: string,
  body?: unknown,
  method = body === undefined ? "GET" : "POST",
) {
  const init =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const request = new Request(`http://localhost/api/monitoring${path}`, { method, ...init });
  const answer = (await service.routes?.handle(request)) as Response;
  const text = await answer.text();
  return {
    status: answer.status,
    body: (text.startsWith("{") ? JSON.parse(text) : { text }) as Record<string, unknown>,
  };
}
/** The items of a list. */
export async function items(service: Service, path: string): Promise<Record<string, unknown>[]> {
  return (await ask(service, path)).body["items"] as Record<string, unknown>[];
}
const byText = (a: string, b: string) => (a < b ? -1 : 1);
/** The codes of the alerts that the list shows with this query, sorted. */
export const codes = async (service: Service, query = "") =>
  (await items(service, `/alerts${query}`)).map(({ code }) => code as string).toSorted(byText);
