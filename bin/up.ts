import { resolve } from "node:path";
import Table from "cli-table3";
import { loadSettings } from "#shared/config/load.ts";
import { type DataFolder, takeDataFolder } from "./data-folder.ts";
import { compareRun, startSession, untilRunning } from "./demo.ts";
import { beginRun, type DemoRun, demoCloses, demoOrderBars, loadRun, saveRun } from "./demo-run.ts";
import { type Engine, prepareDatabase, progressOf, startConductor, startEngine, writePlaces } from "./engine.ts";
import type { PlannedKill } from "./kill-plan.ts";
import { isServerKill, type Kill, ServerKiller } from "./kills.ts";
import { memoryMb } from "./memory.ts";
import { OWN_SETTINGS } from "./own-settings.ts";
import { endLeftovers } from "./process-record.ts";
import { beQuiet, report, type Step, say, step, Trouble } from "./say.ts";
import { startServers } from "./servers.ts";
import { SERVICES } from "./services.ts";
import { took } from "./show-step.ts";
import { Supervisor } from "./supervisor.ts";
import { readUpOptions, type UpOptions } from "./up-options.ts";

interface UpContext {
  data: DataFolder;
  supervisor: Supervisor;
  /** The variables that were given. */
  given: Readonly<Record<string, string>>;
  /** When it began, of performance.now(). */
  sinceMs: number;
}

/** How long the run may stand at one bar before it counts as stuck. */
const STUCK_AFTER_MS = 120_000;

/** The run to go on with: an unfinished one is taken up again; asked for a demo to its end, a finished one makes room. */
function chooseRun(data: DataFolder, options: UpOptions): DemoRun {
  const found = loadRun(data.path);
  const bars = options.bars ?? demoCloses().length;
  const fresh = found === null || options.plan.length > 0 || (found.done ? options.untilDemoEnds : found.bars !== bars);
  if (fresh) return beginRun(data.path, bars);
  if (!found.done) say(`An unfinished demo of ${found.bars} bars is in ${data.path}: it goes on.`);
  return found;
}

/** A server that is someone else's is not killed. */
function refuseForeignKills(plan: readonly PlannedKill[], given: Readonly<Record<string, string>>): void {
  for (const { point } of plan.filter(isServerKill)) {
    const setting = point.startsWith("redis") ? "REDIS_URL" : "DATABASE_URL";
    if (given[setting] !== undefined)
      throw new Trouble(`The seed kills a server that ${setting} names; it has to be bin/up's own.`);
  }
}

/** Watches the conductor until the last bar is done, killing servers on the way where the plan says so. */
async function untilLastBar(line: Step, engine: Engine, killer: ServerKiller, onFirstOrder: () => void): Promise<void> {
  let said = "";
  let ordered = false;
  let stuckAtMs = performance.now() + STUCK_AFTER_MS;
  for (;;) {
    await killer.look();
    const now = progressOf(engine.data);
    if (now !== null && now.orders > 0 && !ordered) {
      ordered = true;
      onFirstOrder();
    }
    const text =
      now === null
        ? "the first bar"
        : `bar ${now.bar} of ${engine.run.bars}, ${now.orders} orders, equity ${now.equity ?? "-"}`;
    if (text !== said) stuckAtMs = performance.now() + STUCK_AFTER_MS;
    said = text;
    line.say(text);
    if (now?.done === true) return;
    if (performance.now() > stuckAtMs)
      throw new Trouble(
        `The demo stands at ${text}: ${now?.waitsFor ?? "nothing is known"}; the logs are in ${engine.data.logs}.`,
      );
    await Bun.sleep(25);
  }
}

function showMemory({ supervisor, programs }: Engine): void {
  const of = (names: readonly string[]): string => {
    const pids = names.map((name) => supervisor.pidOf(name)).filter((pid) => pid !== null);
    return pids.length === 0 ? "not ours" : `${Math.round(pids.reduce((sum, pid) => sum + memoryMb(pid), 0))} MB`;
  };
  const table = new Table({ head: ["memory", ""], style: { head: [], border: [] } });
  table.push(["Bun", of(programs)], ["Redis", of(["redis"])], ["Postgres", of(["postgres"])]);
  say(table.toString());
}

/** Runs the session to its last bar and compares the three accounts of it. Answers what the last line says. */
async function demo(engine: Engine, plan: readonly PlannedKill[], sinceMs: number): Promise<{ equal: boolean }> {
  const { data, run, urls } = engine;
  const killer = new ServerKiller(engine, plan);
  const sessionId = await step("Demo session created and started over REST", async () => {
    const id = await startSession(run, urls);
    run.sessionId = id;
    saveRun(data.path, run);
    writePlaces(engine);
    await untilRunning(urls, id, 60_000);
    return id;
  });
  let firstOrder = "none";
  await startConductor(engine, sessionId);
  await step(`${run.bars} daily bars in lockstep`, (line) =>
    untilLastBar(line, engine, killer, () => {
      firstOrder = took(sinceMs);
    }),
  );
  say(`  Time to the first order: ${firstOrder}`);
  showMemory(engine);
  const { result, differences } = await step("Engine, backtest and the venue's ledger compared", () =>
    compareRun(run, urls, sessionId),
  );
  for (const difference of differences) say(`  Different: ${difference}`);
  const kills: Kill[] = killer.happened(demoOrderBars(demoCloses(run.bars)));
  const missing = plan.filter(({ point }) => !kills.some((kill) => kill.point === point));
  for (const { point } of missing) say(`  A planned kill did not happen: ${point}`);
  run.done = true;
  saveRun(data.path, run);
  const whole = plan.length === 0 ? result : { ...result, equal: result.equal && missing.length === 0, kills };
  process.stdout.write(`${JSON.stringify(whole)}\n`);
  return whole;
}

function showPlaces({ urls, data, run }: Engine): void {
  const table = new Table({ head: ["where to look", ""], style: { head: [], border: [] } });
  table.push(
    ["sessions", `${urls["session-manager"]}/api/session-manager/sessions`],
    ["orders", `${urls["order-position-tracker"]}/api/order-position-tracker/orders?sessionId=${run.sessionId ?? ""}`],
    ["equity", `${urls["order-position-tracker"]}/api/order-position-tracker/equity?sessionId=${run.sessionId ?? ""}`],
    ["API of each service", `${urls["session-manager"]}/openapi.json`],
    ["health", `${urls["session-manager"]}/readyz`],
    ["logs", data.logs],
  );
  say(table.toString());
  say("Everything goes on running; Ctrl-C stops all of it.");
}

async function up(options: UpOptions, { data, supervisor, given, sinceMs }: UpContext): Promise<number> {
  const left = await endLeftovers(data.pids);
  if (left.length > 0) say(`Stopped what an earlier bin/up left running: ${left.join(", ")}.`);
  const { plan } = options;
  const run = chooseRun(data, options);
  const servers = await startServers(supervisor, data, { durable: true, given });
  const databaseUrl = await step("Database migrated", () => prepareDatabase(servers, run));
  const engine = await step(options.processes ? "Services, one process each" : "Services, in one process", () =>
    startEngine(
      {
        supervisor,
        data,
        servers,
        run,
        processes: options.processes,
        kills: plan.filter((kill) => !isServerKill(kill)),
        given,
      },
      databaseUrl,
    ),
  );
  const equal = run.done || (await demo(engine, plan, sinceMs)).equal;
  if (!options.untilDemoEnds) {
    if (run.sessionId !== null) await startSession(run, engine.urls);
    showPlaces(engine);
    await new Promise(() => {});
  }
  return equal ? 0 : 1;
}

async function main(options: UpOptions): Promise<number> {
  const sinceMs = performance.now();
  const settings = loadSettings([...SERVICES, OWN_SETTINGS]);
  refuseForeignKills(options.plan, settings.given);
  const folder = settings.of(OWN_SETTINGS).R3_DATA_FOLDER;
  const data = takeDataFolder(resolve(import.meta.dir, "..", folder), "bin/up");
  const supervisor = new Supervisor(data, ({ name, what, detail }) => say(`  ${name} ${what} (${detail})`));
  let interrupts = 0;
  const interrupt = (): void => {
    interrupts += 1;
    if (interrupts === 1) say("\nStopping; once more stops at once.");
    const stopped = interrupts === 1 ? supervisor.stop() : supervisor.stopNow();
    void stopped.then(() => {
      data.release();
      process.exit(loadRun(data.path)?.done === true && !options.untilDemoEnds ? 0 : 130);
    });
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  try {
    return await up(options, { data, supervisor, given: settings.given, sinceMs });
  } finally {
    if (interrupts === 0) {
      await step("Everything stopped", () => supervisor.stop());
      data.release();
    } else {
      await new Promise(() => {});
    }
  }
}

const options = readUpOptions(process.argv);
if (options.json) beQuiet();
try {
  process.exitCode = await main(options);
} catch (error) {
  report(error);
  process.exitCode = 1;
}
