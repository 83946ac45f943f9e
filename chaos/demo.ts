import Table from "cli-table3";
import postgres from "postgres";
import { compareRun, startSession, untilRunning } from "#demo/demo.ts";
import { prepareDatabase } from "#demo/demo-database.ts";
import { beginRun, type DemoRun, saveRun } from "#demo/demo-run.ts";
import { type Engine, progressOf, startConductor, startEngine, startReplica, writePlaces } from "#demo/engine.ts";
import { layLine } from "#local/line.ts";
import { type Step, say, step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startPostgres, startRedis } from "#local/servers.ts";
import { FAULTS, type Layout, type PlannedFault, planFaults, REPLICATED } from "./demo-faults.ts";
import { holdConductor, strike, type Victims } from "./demo-strike.ts";
import { untilAnswered } from "./until-answered.ts";

/** Nothing may stand for longer, but what a fault freezes for longer. */
const LONGEST_PAUSE_MS = 20_000;
/** How often it is looked where the run is. */
const LOOK_EVERY_MS = 20;
/** How long the run may stand at one bar before it counts as stuck. */
const STUCK_AFTER_MS = 120_000;

export interface ChaosDemoOptions {
  seed: number;
  bars: number;
  layout: Layout;
  /** What is falsified before the comparison, to see that it is found. */
  falsify?: "equity" | "fill" | undefined;
}

/** A fault that has struck, and the longest time that the run stood at one bar until the next one. */
interface Struck extends PlannedFault {
  struckAtBar: number;
  pauseMs: number;
}

interface Outcome {
  bars: number;
  orders: number;
  fills: number;
  finalEquity: string;
  equal: boolean;
  differences: string[];
  struck: Struck[];
  longestPauseMs: number;
}

/**
 * Watches the run to its last bar, and lets each fault strike at its bar, one after the other. Where the one before still lasts
 * at that bar, as a process frozen that no bar needs, the conductor is held meanwhile: that time is no pause of the engine's.
 */
async function suffer(
  line: Step,
  engine: Engine,
  victims: Victims,
  plan: readonly PlannedFault[],
): Promise<Pick<Outcome, "struck" | "longestPauseMs">> {
  const waiting = [...plan];
  const struck: Struck[] = [];
  let [bar, movedAtMs, longestPauseMs] = [0, performance.now(), 0];
  let striking: Promise<void> | null = null;
  let isHeld = false;
  let failure: unknown = null;
  for (;;) {
    const now = progressOf(engine.data);
    const stoodMs = performance.now() - movedAtMs;
    if (now !== null && now.bar !== bar) {
      longestPauseMs = Math.max(longestPauseMs, stoodMs);
      for (const one of struck) if (one.struckAtBar >= bar) one.pauseMs = Math.max(one.pauseMs, stoodMs);
      [bar, movedAtMs] = [now.bar, performance.now()];
      line.say(`bar ${bar} of ${engine.run.bars}, ${struck.length} of ${plan.length} faults`);
    }
    if (failure !== null) throw failure;
    if (now?.done === true && striking === null) return { struck, longestPauseMs: Math.max(longestPauseMs, stoodMs) };
    if (stoodMs > STUCK_AFTER_MS)
      throw new Trouble(
        `The demo stands at bar ${bar} since ${struck.at(-1)?.fault ?? "its beginning"}: ${now?.waitsFor ?? "nothing is known"}; the logs were in ${engine.data.logs}.`,
      );
    const [next] = waiting;
    const isDue = next !== undefined && bar >= next.bar;
    if (isHeld !== (isDue && striking !== null)) {
      isHeld = !isHeld;
      holdConductor(victims, isHeld);
      if (!isHeld) movedAtMs = performance.now();
    }
    if (isDue && striking === null) {
      waiting.shift();
      struck.push({ ...next, struckAtBar: bar, pauseMs: 0 });
      striking = strike(victims, next)
        .catch((error: unknown) => {
          failure = error;
        })
        .finally(() => {
          striking = null;
        });
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

/** The fill stays away: the engine reads the venue's list again after a fault, and would book what it misses there. */
const KEPT_AWAY = `
  create function order_position_tracker.keep_away() returns trigger language plpgsql as 'begin return null; end';
  create trigger keep_away before insert on order_position_tracker.fills
    for each row when (new.trade_id = '1') execute function order_position_tracker.keep_away()`;

async function falsify(databaseUrl: string, sessionId: string, what: "equity" | "fill"): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  await untilAnswered(async () => {
    await sql`select 1`;
  });
  if (what === "fill") await sql.unsafe(KEPT_AWAY);
  const change =
    what === "equity"
      ? sql`
          update order_position_tracker.equity_points set equity = equity + 0.0001
          where session_id = ${sessionId} and candle_n = 20`
      : sql`delete from order_position_tracker.fills where session_id = ${sessionId} and trade_id = '1'`;
  const { count } = await change;
  await sql.end();
  if (count !== 1) throw new Trouble(`Nothing was there to be falsified: ${what}.`);
}

async function run(scratch: Scratch, options: ChaosDemoOptions): Promise<Outcome> {
  const { supervisor, data } = scratch;
  const { layout, seed, bars } = options;
  const own = { durable: true, given: {} };
  // A new run removes what Redis has of the one before.
  const demo: DemoRun = beginRun(data.path, bars);
  const servers = {
    ...(await startPostgres(supervisor, data, own)),
    ...(await startRedis(supervisor, data, own)),
  };
  const databaseUrl = await prepareDatabase(servers, demo);
  const lines = { postgres: await layLine(databaseUrl), redis: await layLine(servers.redisUrl) };
  const engine = await step(`Services, ${layout === "one" ? "in one process" : "one process each"}`, async () => {
    const started = await startEngine(
      {
        supervisor,
        data,
        servers: { ...servers, redisUrl: lines.redis.url },
        run: demo,
        processes: layout !== "one",
        kills: [],
        given: scratch.env,
        misbehaves: false,
      },
      lines.postgres.url,
    );
    if (layout === "replicas") for (const name of REPLICATED) await startReplica(started, name);
    return started;
  });
  const victims = { supervisor, folder: data.path, databaseUrl, redisUrl: servers.redisUrl, lines };
  const venue = layout === "one" ? "engine" : "paper-exchange";
  const plan = planFaults({ seed, bars, programs: engine.programs, venue });
  try {
    const sessionId = await step("Demo session RUNNING", async () => {
      const id = await startSession(demo, engine.urls);
      demo.sessionId = id;
      saveRun(data.path, demo);
      writePlaces(engine);
      await untilRunning(engine.urls, id, 60_000);
      return id;
    });
    await startConductor(engine, sessionId, null);
    const suffered = await step(`${bars} daily bars, ${plan.length} faults`, (line) =>
      suffer(line, engine, victims, plan),
    );
    const missed = plan.length - suffered.struck.length;
    if (missed > 0 && options.falsify === undefined)
      throw new Trouble(`${missed} of the ${plan.length} planned faults have not struck.`);
    if (options.falsify !== undefined) await falsify(databaseUrl, sessionId, options.falsify);
    const { result, differences } = await step("Engine, backtest and the venue's ledger compared", () =>
      compareRun(demo, engine.urls, sessionId),
    );
    return { ...result, differences, ...suffered };
  } finally {
    for (const line of Object.values(lines)) {
      line.endSilent();
      await line.cut();
    }
  }
}

/**
 * The demo, while its processes are killed and frozen, its servers killed, wiped and frozen, and its connections cut and silent,
 * as the seed draws it. Throws where its orders or equity are not the backtest's to the last digit, where a fault did not
 * strike, or where the run stood for too long.
 */
export async function chaosDemo(options: ChaosDemoOptions): Promise<void> {
  const beganMs = performance.now();
  const place = { prefix: "r3edge-chaos-", command: "chaos demo" };
  const outcome = await inScratch(place, (scratch) => run(scratch, options));
  const { struck, differences, ...figures } = outcome;
  const table = new Table({
    head: ["at bar", "fault", "what it is", "of", "lasted s", "longest pause s"],
    style: { head: [], border: [] },
    colAligns: ["right", "left", "left", "left", "right", "right"],
  });
  for (const { fault, struckAtBar, program, lastsMs, pauseMs } of struck) {
    const lasts = /frozen|cut$/.test(fault) && !fault.includes("file") ? (lastsMs / 1_000).toFixed(1) : "";
    table.push([struckAtBar, fault, FAULTS[fault], program ?? "", lasts, (pauseMs / 1_000).toFixed(1)]);
  }
  say(table.toString());
  for (const difference of differences) say(`  Different: ${difference}`);
  const { seed, layout } = options;
  const longestPauseMs = Math.round(figures.longestPauseMs);
  const faults = struck.map(({ fault, struckAtBar, program }) => ({ fault, bar: struckAtBar, program }));
  const seconds = Math.round((performance.now() - beganMs) / 1_000);
  process.stdout.write(`${JSON.stringify({ seed, layout, ...figures, longestPauseMs, seconds, faults })}\n`);
  if (!figures.equal)
    throw new Trouble("The demo does not equal its backtest; the same seed draws the same faults again.");
  if (longestPauseMs > LONGEST_PAUSE_MS)
    throw new Trouble(`The run stood for ${longestPauseMs / 1_000} s, above the ${LONGEST_PAUSE_MS / 1_000} s it may.`);
}
