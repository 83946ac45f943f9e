import { resolve } from "node:path";
import Table from "cli-table3";
import { agreeToDrop } from "#demo/agree-to-drop.ts";
import { chooseRun } from "#demo/choose-run.ts";
import { isThere } from "#demo/demo.ts";
import { ownSessions, prepareDatabase, refuseOtherRuns } from "#demo/demo-database.ts";
import { beginRun, type DemoRun, demoCloses, loadRun } from "#demo/demo-run.ts";
import { type Engine, startEngine, writePlaces } from "#demo/engine.ts";
import type { PlannedKill } from "#demo/kill-plan.ts";
import { isServerKill } from "#demo/kills.ts";
import { playDemo } from "#demo/play-demo.ts";
import { refuseGiven } from "#demo/refuse-given.ts";
import { readUpOptions, type UpOptions } from "#demo/up-options.ts";
import { strategyFaults, watchStrategies } from "#demo/watch-strategies.ts";
import { type DataFolder, takeDataFolder } from "#local/data-folder.ts";
import { OWN_SETTINGS } from "#local/own-settings.ts";
import { endLeftovers } from "#local/process-record.ts";
import { ROOT } from "#local/root.ts";
import { beInterrupted, beQuiet, closingStep, exitAfter, report, say, step, Trouble } from "#local/say.ts";
import { type PostgresServer, startPostgres, startRedis } from "#local/servers.ts";
import { SERVICES } from "#local/services.ts";
import { Supervisor } from "#local/supervisor.ts";
import type { GeneralSettings } from "#shared/config/general.ts";
import { loadSettings } from "#shared/config/load.ts";
import { foldersOf } from "#shared/strategy-threads/catalogue.ts";

/** The exit code of what a person has cut short. */
const INTERRUPTED = 130;

interface UpContext {
  data: DataFolder;
  supervisor: Supervisor;
  general: GeneralSettings;
  /** The variables that were given. */
  given: Readonly<Record<string, string>>;
  /** When it began, of performance.now(). */
  sinceMs: number;
  /** Called once all that a person looks at is up. */
  onUp: () => void;
}

/** The run to go on with, or a new one, which may take nothing away that a person has not given up. */
async function takeRun(data: DataFolder, options: UpOptions, server: PostgresServer): Promise<DemoRun> {
  const found = loadRun(data.path);
  const choice = chooseRun(found, options);
  if (choice.kind === "begin") {
    await refuseOtherRuns(server, null);
    await agreeToDrop(await ownSessions(server, found), options);
  }
  if (choice.says !== null) say(choice.says);
  if (choice.kind === "begin") return beginRun(data.path, options.bars ?? demoCloses().length);
  await refuseOtherRuns(server, choice.run);
  return choice.run;
}

/** A server that is someone else's is not killed. */
function refuseForeignKills(plan: readonly PlannedKill[], given: Readonly<Record<string, string>>): void {
  for (const { point } of plan.filter(isServerKill)) {
    const setting = point.startsWith("redis") ? "REDIS_URL" : "DATABASE_URL";
    if (given[setting] !== undefined)
      throw new Trouble(`The seed kills a server that ${setting} names; it has to be bin/up's own.`);
  }
}

function sayTable(head: string, rows: readonly (readonly [string, string])[]): void {
  const table = new Table({ head: [head, ""], style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...row]));
  say(table.toString());
}

/** Where to look, from the moment that there is something. */
function showPlaces({ urls, data }: Engine): void {
  const isOneProcess = new Set(Object.values(urls)).size === 1;
  const api = urls["session-manager"];
  const pages: [string, string][] = isOneProcess ? [["start page", `${api}/`]] : Object.entries(urls);
  sayTable("where to look", [
    ...pages,
    ["status of the services", `${urls["monitoring"]}/api/monitoring/`],
    ["sessions", `${api}/api/session-manager/sessions`],
    ["alerts", `${urls["monitoring"]}/api/monitoring/alerts`],
    ["orders", `${urls["order-position-tracker"]}/api/order-position-tracker/orders`],
    ["backtests", `${urls["backtest"]}/api/backtest/runs`],
    ["task queues", `${urls["dashboard"]}/queues`],
    isOneProcess ? ["REST API", `${api}/openapi`] : ["REST API of each", "/openapi at its address"],
    ["logs", data.logs],
  ]);
}

function showDemo({ urls, run }: Engine): void {
  const tracker = `${urls["order-position-tracker"]}/api/order-position-tracker`;
  if (run.sessionId !== null)
    sayTable("the demo's session", [
      ["orders", `${tracker}/orders?sessionId=${run.sessionId}`],
      ["equity", `${tracker}/equity?sessionId=${run.sessionId}`],
    ]);
  say("Everything goes on running; Ctrl-C stops all of it. A session of your own: docs/first-session.md.");
}

async function up(options: UpOptions, context: UpContext): Promise<number> {
  const { data, supervisor, general, given, sinceMs } = context;
  const left = await endLeftovers(data.pids);
  if (left.length > 0) say(`Stopped what an earlier bin/up left running: ${left.join(", ")}.`);
  const server = await startPostgres(supervisor, data, { durable: true, given });
  const run = await takeRun(data, options, server);
  const servers = { ...server, ...(await startRedis(supervisor, data, { durable: true, given })) };
  const databaseUrl = await step("Database migrated", () => prepareDatabase(servers, run));
  const { processes } = options;
  const kills = options.plan.filter((kill) => !isServerKill(kill));
  const engine = await step(processes ? "Services, one process each" : "Services, in one process", () =>
    startEngine(
      { supervisor, data, servers, run, processes, kills, given, misbehaves: options.faults !== null },
      databaseUrl,
    ),
  );
  data.answersAt(`${engine.urls["dashboard"]}/`);
  context.onUp();
  writePlaces(engine);
  showPlaces(engine);
  // The start does not wait for it.
  if (!options.untilDemoEnds) {
    const folders = foldersOf(general.R3_STRATEGY_FOLDERS);
    void watchStrategies({ folders, dataFolder: data.path, faults: () => strategyFaults(engine.urls), say });
  }
  let equal = run.done;
  if (run.sessionId !== null && !(await isThere(engine.urls, run.sessionId))) {
    const gone = "The demo's session was deleted; `bin/up --fresh` plays a new demo.";
    if (options.untilDemoEnds) throw new Trouble(gone);
    say(gone);
  } else if (!run.done) {
    const { plan, faults: faultSeed, untilDemoEnds: mustEnd } = options;
    try {
      equal = await playDemo(engine, { plan, faultSeed, mustEnd }, sinceMs);
    } catch (error) {
      if (mustEnd) throw error;
      // Sessions of a person trade in the same engine.
      report(error);
      say("The engine goes on running without the demo; `bin/up`, started again, goes on with it.");
    }
  }
  if (!options.untilDemoEnds) {
    showDemo(engine);
    await new Promise(() => {});
  }
  return equal ? 0 : 1;
}

/** What stays when everything was stopped, and how to go on with it. */
function sayWhatStays(data: DataFolder): void {
  const run = loadRun(data.path);
  const next = run?.done === false ? "goes on with the demo" : "starts from there again";
  say(`Data and logs stay in ${data.path} (R3_DATA_FOLDER); \`bin/up\` with the same settings ${next}.`);
}

async function main(options: UpOptions): Promise<number> {
  const sinceMs = performance.now();
  const settings = loadSettings([...SERVICES, OWN_SETTINGS]);
  const { general, given } = settings;
  refuseForeignKills(options.plan, given);
  await refuseGiven(settings);
  const folder = settings.of(OWN_SETTINGS).R3_DATA_FOLDER;
  const data = takeDataFolder(resolve(ROOT, folder), "bin/up");
  const supervisor = new Supervisor(data, ({ name, what, detail }) => say(`  ${name} ${what} (${detail})`));
  let isUp = false;
  let interrupts = 0;
  const interrupt = (name: NodeJS.Signals): void => {
    interrupts += 1;
    beInterrupted();
    // Said also where all else is quiet: without it nobody would know why there is no last line.
    if (interrupts === 1)
      report(new Trouble(`Interrupted (${name}): stopping everything; Ctrl-C once more stops at once.`));
    const atOnce = interrupts > 1;
    const stopped = closingStep(atOnce ? "Everything stopped at once" : "Everything stopped", async () => {
      await (atOnce ? supervisor.stopNow() : supervisor.stop());
      // What an earlier bin/up left may not have been ended yet.
      await (atOnce ? endLeftovers(data.pids, 1_000) : endLeftovers(data.pids));
    });
    const ended = stopped.then(() => {
      data.release();
      sayWhatStays(data);
      // A person has ended what was up, which is its usual end, or has cut short what was to come to an end by itself.
      return isUp && !options.untilDemoEnds ? 0 : INTERRUPTED;
    });
    void exitAfter(ended);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  try {
    const onUp = () => {
      isUp = true;
    };
    return await up(options, { data, supervisor, general, given, sinceMs, onUp });
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
// What still waits for an answer keeps nobody waiting.
await exitAfter(main(options));
