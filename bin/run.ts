import { hostname } from "node:os";
import { Command } from "commander";
import type { Registry } from "prom-client";
import { keepFilesPrivate } from "#local/file-modes.ts";
import { OWN_SETTINGS } from "#local/own-settings.ts";
import { ALERT_KINDS, SERVICES } from "#local/services.ts";
import packageJson from "#package" with { type: "json" };
import { watchForgedEntries } from "#shared/alerts/forged-entries.ts";
import type { Bus } from "#shared/bus/bus.ts";
import { type BusOptions, createBus } from "#shared/bus/create-bus.ts";
import { deleteOldEvents } from "#shared/bus/old-events.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { createRedisWrites } from "#shared/bus/redis-writes.ts";
import { sealBroker } from "#shared/bus/sealed-broker.ts";
import { createRedisCache } from "#shared/cache/redis.ts";
import { sealCache } from "#shared/cache/sealed.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { loadSettings, type Settings } from "#shared/config/load.ts";
import { migrate } from "#shared/db/migrate.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { proveWritable } from "#shared/db/prove-writable.ts";
import { deleteOldActions } from "#shared/dead/old-actions.ts";
import { tellDeadEvent, tellDeadTask } from "#shared/dead/tell-dead.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { createBans } from "#shared/exchange/bans.ts";
import { createBinanceExchanges } from "#shared/exchange/binance-exchanges.ts";
import { createPostgresBanStore } from "#shared/exchange/postgres-bans.ts";
import type { ServiceClients } from "#shared/http/clients.ts";
import { createServiceClients, elsewhere } from "#shared/http/create-clients.ts";
import { createHttpApp } from "#shared/http/http-app.ts";
import type { ServicePlace } from "#shared/http/json-client.ts";
import { type Listening, listen } from "#shared/http/listen.ts";
import { type KnownHosts, knownHosts } from "#shared/http/neighbours.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { createBullmqBoard } from "#shared/queue/bullmq-board.ts";
import { deleteOldTasks } from "#shared/queue/old-tasks.ts";
import { createTaskQueue, type TaskQueueOptions } from "#shared/queue/task-queue.ts";
import { deleteOldRows } from "#shared/retention/retention.ts";
import { readSeal } from "#shared/seal/seal.ts";
import { createFailpoints } from "#shared/service/create-failpoints.ts";
import { declaredBus, declaredQueue } from "#shared/service/declared-ports.ts";
import { fail, runProcess } from "#shared/service/run-process.ts";
import { createRunner, type Part } from "#shared/service/runner.ts";
import type { Deps, ProcessPorts, Service, ServiceDefinition } from "#shared/service/service.ts";
import { atStart, watchServers } from "#shared/service/watch-servers.ts";
import { foldersOf } from "#shared/strategy-threads/catalogue.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import { createThreadHost } from "#shared/strategy-threads/thread-host.ts";
import { type HeartbeatOptions, sendHeartbeats } from "#shared/telemetry/heartbeats.ts";
import { createLogger, type Logger } from "#shared/telemetry/logger.ts";
import { createRegistry } from "#shared/telemetry/metrics.ts";
import { measureProcess } from "#shared/telemetry/process-load.ts";

const VERSION = packageJson.version;
/** Those that some service works. */
const QUEUES = [...new Set(SERVICES.flatMap(({ tasks }) => tasks.works.map(({ queue }) => queue)))];
const DAY_MS = 86_400_000;

interface Ports {
  deps: Deps;
  /** Who this process is where it owns and leads, random for each start. */
  instance: string;
  /** In the order of their start. */
  parts: Part[];
  /** What the process cannot work without, and has not got. */
  away(): readonly string[];
}

/** Where a service is asked, by the URL that the settings give. */
type PlaceOf = (service: string, url: string | undefined) => ServicePlace;

/** A server of the settings, as a person knows it. */
function serverOf({ given }: Settings, name: "Postgres" | "Redis") {
  const setting = name === "Postgres" ? "DATABASE_URL" : "REDIS_URL";
  return { name, setting, isDefault: given[setting] === undefined };
}

/** Connects to Postgres, Redis and the venues: the adapters behind every port. */
async function connect(settings: Settings, log: Logger, registry: Registry, placeOf: PlaceOf): Promise<Ports> {
  const { general } = settings;
  const instance = crypto.randomUUID();
  const clock = systemClock;
  const redis = { url: general.REDIS_URL, prefix: general.R3_PREFIX };
  const { R3_DATABASE_CONNECTIONS: maxConnections, R3_DATABASE_TIMEOUT_MS: timeoutMs } = general;
  // Who waits for what a handler holds has its deadline.
  const transactionTimeoutMs = general.R3_HANDLER_DEADLINE_MS + timeoutMs;
  const db = createPostgresDb(general.DATABASE_URL, { maxConnections, timeoutMs, transactionTimeoutMs });
  const logStore = createPostgresLogStore(db);
  const incarnation = await atStart(serverOf(settings, "Postgres"), () => logStore.incarnation(), { clock, log });
  const seal = await readSeal(db);
  const onForged = watchForgedEntries({ db, bus: () => bus, clock, log, registry });
  const broker = sealBroker(createRedisBroker({ ...redis, incarnation }), seal, onForged);
  const lock = createRedlockLock(redis);
  const leader = createLeader({ db, lock, clock, log, leaseMs: general.R3_LEASE_MS, holder: instance });
  const poison = { deadAfterTries: general.R3_DEAD_AFTER_TRIES, deadlineMs: general.R3_HANDLER_DEADLINE_MS };
  const partitions = general.R3_PARTITIONS;
  const bus = tellingBus({ db, logStore, broker, leader, clock, log, instance, partitions, ...poison });
  const wakeups = createBullmqWakeups({ ...redis, log });
  const onDead: TaskQueueOptions["onDead"] = (tx, dead) => tellDeadTask(tx, { bus, clock }, dead);
  const queue = createTaskQueue({ db, wakeups, clock, log, ...poison, onDead });
  const cache = sealCache(createRedisCache(redis), seal);
  const bans = createBans({ store: createPostgresBanStore(db), clock, log });
  const exchanges = createBinanceExchanges({
    venues: general.R3_VENUES,
    accounts: general.R3_ACCOUNTS,
    clock,
    log,
    bans,
  });
  const clients = clientsOf(general, placeOf);
  const strategies = strategiesOf(general, clock, log);
  const failpoints = failpointsOf(settings, exchanges.live);
  const redisWrites = createRedisWrites(redis);
  const watch = watchServers({
    servers: [
      { ...serverOf(settings, "Postgres"), write: () => proveWritable(db) },
      {
        ...serverOf(settings, "Redis"),
        write: () => redisWrites.prove(),
        fits: () => redisWrites.refuseEviction(),
      },
    ],
    clock,
    log,
  });
  const parts: Part[] = [
    { name: "database", stop: () => db.close() },
    { name: "leader", stop: () => leader.close() },
    { name: "cache", stop: () => cache.close() },
    { name: "queue", stop: () => queue.close() },
    { name: "bus", stop: () => bus.close() },
    { name: "exchanges", stop: () => exchanges.close() },
    { name: "writes", stop: () => redisWrites.close() },
    { name: "strategies", stop: () => strategies.close() },
    { name: "queue-board", stop: () => queueBoard.close() },
    retentionOf(general, { db, leader, clock, log }),
    watch,
  ];
  const queueBoard = createBullmqBoard({ ...redis, queues: QUEUES });
  const ports = { db, bus, queue, leader, cache, exchanges, clients, strategies, queueBoard };
  return {
    deps: { ...ports, alertKinds: ALERT_KINDS, redisMemory: () => redisWrites.memory(), clock, log, failpoints },
    instance,
    parts,
    away: () => [...watch.away(), ...leader.unled().map((role) => `someone who leads ${role}`)],
  };
}

/** How this process asks each service. */
function clientsOf(general: Settings["general"], placeOf: PlaceOf): ServiceClients {
  return createServiceClients(
    {
      dataCollect: placeOf("data-collect", general.R3_DATA_COLLECT_URL),
      marketData: placeOf("market-data", general.R3_MARKET_DATA_URL),
      strategyExecutor: placeOf("strategy-executor", general.R3_STRATEGY_EXECUTOR_URL),
      orderPositionTracker: placeOf("order-position-tracker", general.R3_ORDER_POSITION_TRACKER_URL),
      monitoring: placeOf("monitoring", general.R3_MONITORING_URL),
    },
    general.R3_HTTP_TIMEOUT_MS,
  );
}

/** Where strategies run: apart, in threads that are watched. */
function strategiesOf(general: Settings["general"], clock: Clock, log: Logger): StrategyHost {
  return createThreadHost({
    folders: foldersOf(general.R3_STRATEGY_FOLDERS),
    threads: general.R3_STRATEGY_THREADS,
    reload: general.R3_STRATEGY_RELOAD,
    limits: {
      barMs: general.R3_STRATEGY_BAR_BUDGET_MS,
      slowMs: general.R3_STRATEGY_SLOW_BUDGET_MS,
      memoryBytes: general.R3_STRATEGY_THREAD_MEMORY_MB * 1e6,
    },
    processBytes: () => process.memoryUsage.rss(),
    clock,
    log,
  });
}

/** The bus, which tells of dead events over itself. */
function tellingBus(options: BusOptions): Bus {
  const { clock } = options;
  const bus: Bus = createBus({ ...options, onDead: (tx, dead) => tellDeadEvent(tx, { bus, clock }, dead) });
  return bus;
}

/** The hosts that a request may name: the processes share their settings, so the URLs of all are known to each. */
function hostsOf(general: Settings["general"]): KnownHosts {
  const venues = general.R3_VENUES.flatMap(({ restUrl, wsUrl, wsApiUrl }) => [restUrl, wsUrl, wsApiUrl]);
  const services = [
    general.R3_DATA_COLLECT_URL,
    general.R3_MARKET_DATA_URL,
    general.R3_STRATEGY_EXECUTOR_URL,
    general.R3_ORDER_POSITION_TRACKER_URL,
    general.R3_MONITORING_URL,
  ];
  const urls = [...services, ...venues].filter((url) => url !== undefined);
  return knownHosts({ address: general.R3_HTTP_HOST, urls, more: general.R3_HTTP_ALLOWED_HOSTS });
}

/** Deletes old rows in one of the processes. */
function retentionOf(
  general: Settings["general"],
  { db, leader, clock, log }: Pick<Deps, "db" | "leader" | "clock" | "log">,
): Part {
  const sweeps = {
    events: () => deleteOldEvents(db, log, general.R3_LOG_KEEP_DAYS * DAY_MS),
    tasks: () => deleteOldTasks(db, general.R3_TASKS_KEEP_DAYS * DAY_MS),
    decisions: () => deleteOldActions(db, general.R3_DECISIONS_KEEP_DAYS * DAY_MS),
  };
  let sweeping: Promise<void> | undefined;
  return {
    name: "retention",
    start: (signal) => {
      sweeping = deleteOldRows({ leader, clock, log, sweeps }, signal);
    },
    stop: () => sweeping,
  };
}

function failpointsOf({ general }: Settings, live: boolean) {
  return createFailpoints({
    plans: general.R3_FAILPOINTS,
    folder: general.R3_FAILPOINT_FOLDER,
    live,
    nowMs: () => systemClock.nowMs(),
  });
}

/** Makes a service, with the ports that it needs; its bus and its queue are as its definition says. */
function makeService(
  definition: ServiceDefinition,
  settings: Settings,
  own: ProcessPorts,
  engine: Ports | null,
): Service {
  const log = own.log.child({ service: definition.name });
  if (definition.needs === "process") return definition.create({ ...own, log }, settings.of(definition));
  if (engine === null) throw new AppError("INTERNAL", "permanent", `${definition.name} was made without the engine.`);
  const bus = declaredBus(engine.deps.bus, definition);
  const queue = declaredQueue(engine.deps.queue, definition);
  return definition.create({ ...engine.deps, bus, queue, log }, settings.of(definition));
}

/** Tells the others of this process, from its start to its end. */
function heartbeatsOf({ deps: { bus, clock, log }, instance }: Ports, services: HeartbeatOptions["services"]): Part {
  const startedAtMs = Math.round(performance.timeOrigin);
  const identity = { instance, host: hostname(), pid: process.pid, version: VERSION, startedAtMs };
  let beating: Promise<void> | undefined;
  return {
    name: "heartbeats",
    start: (signal) => {
      const load = measureProcess(process.cwd(), () => process.memoryUsage.rss());
      beating = sendHeartbeats({ bus, clock, log, services, identity, load }, signal);
    },
    stop: () => beating,
  };
}

async function makeRunner(chosen: readonly ServiceDefinition[]) {
  const settings = loadSettings([...SERVICES, OWN_SETTINGS]);
  const { general } = settings;
  const log = createLogger({
    level: general.R3_LOG_LEVEL,
    format: general.R3_LOG_FORMAT,
    isTerminal: process.stdout.isTTY,
  });
  const registry = createRegistry({ services: chosen.length === SERVICES.length ? "all" : (chosen[0]?.name ?? "") });
  let listening: Listening | null = null;
  const ownUrl = (): string => listening?.url ?? `http://${general.R3_HTTP_HOST}:${general.R3_HTTP_PORT}`;
  const isEngine = chosen.some(({ needs }) => needs === "engine");
  if (isEngine)
    await atStart(serverOf(settings, "Postgres"), () => migrate(general.DATABASE_URL), { clock: systemClock, log });
  const here: ServicePlace = { baseUrl: ownUrl, send: async (request) => app.handle(request) };
  const placeOf: PlaceOf = (service, url) =>
    url === undefined || chosen.some(({ name }) => name === service) ? here : elsewhere(url);
  const engine = isEngine ? await connect(settings, log, registry, placeOf) : null;
  const failpoints = engine?.deps.failpoints ?? failpointsOf(settings, false);
  const own = { clock: systemClock, log, failpoints };
  const services = chosen.map((definition) => {
    const service = makeService(definition, settings, own, engine);
    let started = false;
    return {
      ...definition,
      ...(service.routes === undefined ? {} : { routes: service.routes }),
      ...(service.startPage === undefined ? {} : { startPage: service.startPage }),
      ...(service.venueClocks === undefined ? {} : { venueClocks: service.venueClocks }),
      notReady: () => [...(engine?.away() ?? []), ...(started ? service.notReady() : ["to start"])],
      start: async (signal: AbortSignal) => {
        await service.start(signal);
        started = true;
      },
      stop: () => service.stop(),
    };
  });
  const app = createHttpApp({
    services,
    version: VERSION,
    account: general.R3_ACCOUNTS[0]?.id ?? null,
    pid: process.pid,
    log,
    registry,
    maxBodyBytes: general.R3_HTTP_MAX_BODY_BYTES,
    hosts: hostsOf(general),
    checkAnswers: general.R3_HTTP_CHECK_ANSWERS,
  });
  const http: Part = {
    name: "http",
    start: () => {
      listening = listen(app, general.R3_HTTP_HOST, general.R3_HTTP_PORT);
      log.info({ url: listening.url, services: chosen.map(({ name }) => name) }, "listening");
    },
    stop: () => listening?.stop(),
  };
  // A process of its own cannot beat: it knows neither Postgres nor Redis. So it beats in none.
  // Peers stop together, as in processes of their own: with Redis away each has deadlines to wait for. A venue is the last.
  const outside = services.filter(({ needs }) => needs === "process");
  const peers = services.filter(({ needs }) => needs === "engine");
  const parts = [
    ...(engine?.parts ?? []),
    http,
    outside,
    peers,
    ...(engine === null ? [] : [heartbeatsOf(engine, peers)]),
  ];
  return createRunner({ parts, clock: systemClock, log, stopTimeoutMs: general.R3_STOP_TIMEOUT_MS });
}

const list = SERVICES.map(({ name, description }) => `  ${name.padEnd(24)}${description}`).join("\n");
const program = new Command("run")
  .description("Runs one service, several, or all in one process.")
  .argument("<services...>", "names of services, or all")
  .addHelpText("after", `\nServices:\n${list}\n\nSettings come from the environment; .env.example lists them.`)
  .parse();

const unknown = program.args.filter((name) => name !== "all" && !SERVICES.some((service) => service.name === name));
if (unknown.length > 0) {
  fail(
    new Error(
      `There is no service "${unknown.join('", "')}"; there are all, ${SERVICES.map(({ name }) => name).join(", ")}.`,
    ).message,
  );
}
keepFilesPrivate();
await runProcess(() =>
  makeRunner(program.args.includes("all") ? SERVICES : SERVICES.filter(({ name }) => program.args.includes(name))),
);
