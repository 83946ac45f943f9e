import Table from "cli-table3";
import { type Crowd, startCrowd } from "#bench/crowd.ts";
import { isOwnTurn, OWN_CYCLE_MS } from "#bench/strategies/on-close.ts";
import { say, step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import type { Supervisor } from "#local/supervisor.ts";

const SERVICE = "strategy-executor";
const SESSIONS = 20;
const BAR_MS = 1_000;
const RUNNING_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 50;
/** For so long the leader is frozen: longer than its lease. */
const FROZEN_MS = 15_000;
/** After each fault: the sessions are led again, and each has turned once. */
const AFTER_MS = OWN_CYCLE_MS;

/** The longest time from a bar's close until every session had worked it, in milliseconds, while a fault had its effect. */
interface Pauses {
  undisturbedMs: number;
  killedMs: number;
  frozenMs: number;
  handedOverMs: number;
}

/** What each is to take; longer than the takeovers' aims is a fault, the rest depends on what else the machine does. */
const AIMS: Pauses = { undisturbedMs: 1_000, killedMs: 8_000, frozenMs: 8_000, handedOverMs: 500 };

interface Outcome extends Pauses {
  sessions: number;
  signals: number;
  /** Bars at which a session was to signal and did not. */
  missing: number;
  /** Signals of a session at a bar that has one of it already, or at which it was to make none. */
  tooMany: number;
}

/** How late the newest bar is that all of these sessions have worked. */
async function lateness({ sql }: Crowd): Promise<number> {
  const [row] = await sql<{ late: number }[]>`
    select (extract(epoch from clock_timestamp()) * 1000 - min(candle_close_at_ms))::float8 as late
    from strategy_executor.runs`;
  return Math.max(0, (row?.late ?? Number.POSITIVE_INFINITY) - BAR_MS);
}

/** The longest time that sessions stood in while something was done. */
async function longest(crowd: Crowd, what: () => Promise<void>): Promise<number> {
  let over = false;
  const done = what().finally(() => {
    over = true;
  });
  let most = 0;
  while (!over) {
    most = Math.max(most, await lateness(crowd));
    await Bun.sleep(LOOK_EVERY_MS);
  }
  await done;
  return most;
}

/** Waits until each instance leads some of the sessions: who leads none is struck in vain. */
async function untilBothLead({ sql }: Crowd): Promise<void> {
  const untilMs = performance.now() + RUNNING_WITHIN_MS;
  for (;;) {
    const [row] = await sql<{ holders: number }[]>`
      select count(distinct holder)::int as holders from leadership.leases join reference.sessions s
        on role like ${`%${SERVICE}%`} and role like '%:' || s.partition
      where lease_until > now()`;
    if (row?.holders === 2) return;
    if (performance.now() > untilMs) throw new Trouble(`${row?.holders ?? 0} of 2 instances lead sessions.`);
    await Bun.sleep(200);
  }
}

function pidOf(supervisor: Supervisor, name: string): number {
  const pid = supervisor.pidOf(name);
  if (pid === null) throw new Trouble(`${name} does not run.`);
  return pid;
}

/** What is done to the instances, one after the other; each gives the longest pause from its beginning until all is as before. */
async function strike(crowd: Crowd, { supervisor }: Scratch): Promise<Pauses> {
  const during = (sentence: string, what: () => Promise<void>) =>
    step(sentence, async () => {
      await untilBothLead(crowd);
      return longest(crowd, async () => {
        await what();
        await Bun.sleep(AFTER_MS);
      });
    });
  const undisturbedMs = await during("Two instances, undisturbed", async () => undefined);
  const killedMs = await during("One killed (SIGKILL)", async () => {
    supervisor.kill(`${SERVICE}-1`);
  });
  const frozenMs = await during(`The other one frozen for ${FROZEN_MS / 1_000} s, then woken`, async () => {
    const pid = pidOf(supervisor, `${SERVICE}-2`);
    process.kill(pid, "SIGSTOP");
    await Bun.sleep(FROZEN_MS);
    process.kill(pid, "SIGCONT");
  });
  const handedOverMs = await during("One told to end (SIGTERM): it hands over", async () => {
    supervisor.kill(`${SERVICE}-1`, "SIGTERM");
  });
  return { undisturbedMs, killedMs, frozenMs, handedOverMs };
}

/** Holds the signals between two closes against those that the bars ask for, session by session. */
async function compare({ sql }: Crowd, seconds: ReadonlyMap<string, number>, span: { fromMs: number; toMs: number }) {
  const { fromMs, toMs } = span;
  const bars = await sql<{ closeAtMs: number }[]>`
    select close_at_ms::float8 as "closeAtMs" from market_data.candles
    where time_frame = '1s' and close_at_ms between ${fromMs} and ${toMs} order by n`;
  const made = await sql<{ sessionId: string; marketAtMs: number }[]>`
    select key as "sessionId", (envelope -> 'data' ->> 'marketAtMs')::float8 as "marketAtMs" from bus.log
    where topic = 'signals' and type = 'signal.created'
      and (envelope -> 'data' ->> 'marketAtMs')::float8 between ${fromMs} and ${toMs}`;
  const counted = Map.groupBy(made, ({ sessionId, marketAtMs }) => `${sessionId} ${marketAtMs}`);
  const wanted = new Set<string>();
  for (const [sessionId, second] of seconds) {
    for (const { closeAtMs } of bars) if (isOwnTurn(closeAtMs, second)) wanted.add(`${sessionId} ${closeAtMs}`);
  }
  const missing = [...wanted].filter((turn) => !counted.has(turn));
  const tooMany = [...counted].flatMap(([turn, signals]) => signals.slice(wanted.has(turn) ? 1 : 0));
  for (const turn of missing.slice(0, 5)) say(`  No signal: session and bar ${turn}`);
  for (const { sessionId, marketAtMs } of tooMany.slice(0, 5))
    say(`  Too many: session and bar ${sessionId} ${marketAtMs}`);
  return { signals: made.length, missing: missing.length, tooMany: tooMany.length };
}

async function run(scratch: Scratch): Promise<Outcome> {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const apart = { service: SERVICE, count: 2 };
  const crowd = await step(`Services, ${SERVICE} in two processes of its own`, () =>
    startCrowd(scratch, servers, { processes: false, apart }),
  );
  try {
    const seconds = await step(`${SESSIONS} sessions RUNNING`, async () => {
      const made = await Promise.all(
        Array.from({ length: SESSIONS }, async (_, second): Promise<[string, number]> => {
          const [id = ""] = await crowd.add(1, second);
          return [id, second];
        }),
      );
      await crowd.untilRunning(
        made.map(([id]) => id),
        RUNNING_WITHIN_MS,
      );
      return new Map(made);
    });
    // From the next bar on each of them has seen all.
    const fromMs = Date.now() + 2 * BAR_MS;
    const pauses = await strike(crowd, scratch);
    const toMs = Date.now() - 2 * BAR_MS;
    return { sessions: SESSIONS, ...(await compare(crowd, seconds, { fromMs, toMs })), ...pauses };
  } finally {
    await crowd.close();
  }
}

/**
 * Twenty sessions, each of which signals at a second of its own, over two instances that lead them. One instance is killed, the
 * other frozen past its lease and woken, one told to end. Throws where the signals are not those that the bars ask for, each
 * once, and where a session stood still for longer than a takeover may take.
 */
export async function chaosTakeover(): Promise<void> {
  const place = { prefix: "r3edge-chaos-", command: "chaos takeover" };
  const outcome = await inScratch(place, run);
  const { undisturbedMs, killedMs, frozenMs, handedOverMs } = outcome;
  const pauses: Pauses = { undisturbedMs, killedMs, frozenMs, handedOverMs };
  const names = Object.keys(AIMS) as (keyof Pauses)[];
  const table = new Table({ head: ["", "longest pause", "aim"], style: { head: [], border: [] } });
  table.push(...names.map((name) => [name.replace("Ms", ""), `${Math.round(pauses[name])} ms`, `${AIMS[name]} ms`]));
  say(table.toString());
  const rounded = Object.fromEntries(names.map((name) => [name, Math.round(pauses[name])]));
  process.stdout.write(`${JSON.stringify({ ...outcome, ...rounded })}\n`);
  const { missing, tooMany, signals } = outcome;
  const late = (["killedMs", "frozenMs"] as const).filter((name) => pauses[name] > AIMS[name]);
  const faults = [
    missing > 0 && `${missing} signals are missing`,
    tooMany > 0 && `${tooMany} signals are too many`,
    signals === 0 && "there was no signal",
    ...late.map((name) => `${name} is ${rounded[name]}, above ${AIMS[name]}`),
  ].filter((fault) => fault !== false);
  if (faults.length > 0) throw new Trouble(`The takeover went wrong: ${faults.join("; ")}.`);
}
