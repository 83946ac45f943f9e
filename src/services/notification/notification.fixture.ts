import type { AnyElysia } from "elysia";
import { type Logger, pino } from "pino";
import { defineAlerts, type Severity } from "#shared/alerts/alert-kinds.ts";
import { type Alert, clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { OutgoingEvent } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { Service } from "#shared/service/service.ts";
import type { Message } from "./delivery/message.ts";
import { type Desk, KEY, openDesk } from "./desk.fixture.ts";
import { notification } from "./index.ts";
import { scopeOf } from "./notices/notice.ts";
import type { Place } from "./place.ts";
import type { Recipient } from "./recipients/recipient.ts";
import { createNotification } from "./service.ts";
import { notificationSettings } from "./settings.ts";

/** Kinds of alerts that tests raise. */
const TEST_KINDS = defineAlerts({
  TEST_WARNING: { severity: "warning", meaning: "It is so.", toDo: "Look.", ends: "condition" },
  TEST_CRITICAL: { severity: "critical", meaning: "It is so.", toDo: "Run.", ends: "fact" },
});

/** An answer of the service's REST. */
export interface Answer<Body = Record<string, unknown>> {
  status: number;
  etag: string;
  body: Body;
}

async function openPorts(
  { db }: TestDatabase,
  redis: TestRedis,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<Omit<Instance, "service">> {
  const logStore = createPostgresLogStore(db);
  const leader = createLeader({
    db,
    lock: createRedlockLock(redis),
    clock: systemClock,
    log,
    leaseMs: 1_000,
    retryMs: 20,
  });
  const incarnation = await logStore.incarnation();
  const broker = createRedisBroker({ url: redis.url, prefix: redis.prefix, incarnation, blockMs: 100 });
  const bus = createBus({ db, logStore, broker, leader, clock: systemClock, log, instance: crypto.randomUUID() });
  const queue = createTaskQueue({ db, wakeups: createBullmqWakeups(redis), clock: systemClock, log, sweepMs: 50 });
  const ports = { db, bus, queue, leader, alertKinds: { ...notification.alerts, ...TEST_KINDS }, clock, log };
  const close = async (): Promise<void> => {
    for (const port of [queue, bus, leader]) await port.close();
  };
  return { ports, close };
}

/** An instance of the service, with ports of its own as a process has them. */
interface Instance {
  ports: Place["deps"];
  service: Service;
  close: () => Promise<void>;
}

/** The service on real servers, with a desk that messages are posted to. */
export class World {
  /** How far a test has moved the wall clock on, in milliseconds. */
  aheadMs = 0;
  /** All that its instances have logged. */
  readonly logged: string[] = [];
  readonly instances: Instance[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly redis: TestRedis,
    readonly desk: Desk,
    private readonly settings: Record<string, string>,
  ) {}

  static async create(settings: Record<string, string> = {}): Promise<World> {
    const world = new World(await createTestDatabase(), testRedis(), openDesk(), settings);
    await world.addInstance();
    return world;
  }

  /** Starts an instance more. */
  async addInstance(): Promise<void> {
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + this.aheadMs };
    const log = pino({ level: "trace" }, { write: (line: string) => void this.logged.push(line) });
    const { ports, close } = await openPorts(this.database, this.redis, { clock, log });
    const parsed = notificationSettings.parse({
      R3_NOTIFICATION_RETRY_MS: "10",
      R3_NOTIFICATION_TIMER_MS: "20",
      R3_NOTIFICATION_SEND_TIMEOUT_MS: "500",
      R3_NOTIFICATION_TELEGRAM_URL: this.desk.url,
      ...this.settings,
    });
    const service = createNotification({ deps: ports, settings: parsed });
    await service.start(new AbortController().signal);
    this.instances.push({
      ports,
      service,
      async close() {
        await service.stop();
        await close();
      },
    });
  }

  /** The first instance. */
  get #first(): Instance {
    const [first] = this.instances;
    if (first === undefined) throw new Error("No instance runs.");
    return first;
  }

  async ask<Body = Record<string, unknown>>(
    method: string,
    path: string,
    { body, ifMatch }: { body?: unknown; ifMatch?: string } = {},
  ): Promise<Answer<Body>> {
    const headers = new Headers();
    if (ifMatch !== undefined) headers.set("if-match", ifMatch);
    if (body !== undefined) headers.set("content-type", "application/json");
    const init: RequestInit = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const routes = this.#first.service.routes as AnyElysia;
    const answer = await routes.handle(new Request(`http://localhost/api/notification${path}`, init));
    const text = await answer.text();
    return {
      status: answer.status,
      etag: answer.headers.get("etag") ?? "",
      body: text === "" ? null : JSON.parse(text),
    };
  }

  /** A webhook at the desk's path of this name. */
  hook(name: string): { type: "webhook"; url: string; secret: string } {
    return { type: "webhook", url: `${this.desk.url}/${name}`, secret: KEY };
  }

  /** Makes a recipient whose webhook is the desk's path of its name, unless `more` has another channel. */
  async recipient(name: string, more: Record<string, unknown> = {}): Promise<Recipient> {
    const input = { name, channel: this.hook(name), ...more };
    const { status, body } = await this.ask<Recipient>("POST", "/recipients", { body: input });
    if (status !== 201) throw new Error(JSON.stringify(body));
    return body;
  }

  async read(id: string): Promise<Recipient> {
    return (await this.ask<Recipient>("GET", `/recipients/${id}`)).body;
  }

  /** Changes a recipient as it is now. */
  async change(id: string, change: Record<string, unknown>): Promise<Recipient> {
    return (await this.ask<Recipient>("PATCH", `/recipients/${id}`, { body: change, ifMatch: "*" })).body;
  }

  /** Messages of a recipient, newest first. */
  async messages(id: string, query = ""): Promise<Message[]> {
    return (await this.ask<{ items: Message[] }>("GET", `/recipients/${id}/messages${query}`)).body.items;
  }

  /** Raises an alert as any service does; with a severity as a rule of a person has it. */
  async raise(
    code: keyof typeof TEST_KINDS,
    scope: string,
    { text = "It has happened.", severity }: { text?: string; severity?: Severity } = {},
  ): Promise<void> {
    const kind = TEST_KINDS[code];
    const alert: Alert = { scope, kind: { ...kind, severity: severity ?? kind.severity }, text, data: {} };
    await this.database.db.transaction((tx) => raiseAlert(tx, this.#first.ports, alert));
  }

  async clear(code: keyof typeof TEST_KINDS, scope: string): Promise<void> {
    await this.database.db.transaction((tx) => clearAlert(tx, this.#first.ports, { scope, kind: TEST_KINDS[code] }));
  }

  /** Has nobody told of an alert until then, as monitoring does for a person. */
  async silence(code: keyof typeof TEST_KINDS, scope: string, untilMs: number): Promise<void> {
    await this.database.db.sql`
      insert into monitoring.silences (scope, code, until_ms, by_whom, reason, at_ms)
      values (${scope}, ${code}, ${untilMs}, 'local', 'So.', 1)`;
  }

  /** Publishes events as other services do. */
  async publish(...events: OutgoingEvent[]): Promise<void> {
    await this.database.db.transaction(async (tx) => this.#first.ports.bus.publish(tx, events));
  }

  /** Codes of open alerts about a recipient. */
  async alertsOf(id: string): Promise<string[]> {
    const rows = await this.database.db.sql<{ code: string }[]>`
      select code from alerts.open where scope = ${scopeOf(id)} order by code`;
    return rows.map(({ code }) => code);
  }

  async close(): Promise<void> {
    for (const instance of this.instances.toReversed()) await instance.close();
    await this.desk.close();
    await this.redis.cleanup();
    await this.database.drop();
  }
}
