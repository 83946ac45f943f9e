import Table from "cli-table3";
import { memoryMb } from "#local/memory.ts";
import { report, type Step, say, step, Trouble } from "#local/say.ts";
import { took } from "#local/show-step.ts";
import type { Progress } from "./at-rest.ts";
import { compareRun, startSession, untilRunning } from "./demo.ts";
import { demoCloses, demoOrderBars, saveRun } from "./demo-run.ts";
import { venueAccess } from "./demo-settings.ts";
import { type Engine, progressOf, startConductor, writePlaces } from "./engine.ts";
import { planFaults } from "./fault-plan.ts";
import type { PlannedKill } from "./kill-plan.ts";
import { type Kill, ServerKiller } from "./kills.ts";
import { setFaults } from "./venue-faults.ts";

/** How long the run may stand at one bar before it counts as stuck. */
const STUCK_AFTER_MS = 120_000;

interface Watched {
  bars: number;
  progress(): Progress | null;
  /** Called again and again. */
  look(): Promise<void>;
  onFirstOrder(): void;
  /** Told once, with a sentence, each time that the run stands for long. What it throws ends the watch. */
  onStuck(sentence: string): void;
  stuckAfterMs?: number;
}

/** Watches a run until its last bar is done. */
export async function untilLastBar(line: Step, watched: Watched): Promise<void> {
  const { bars, stuckAfterMs = STUCK_AFTER_MS } = watched;
  let said = "";
  let ordered = false;
  let stuckAtMs = 0;
  for (;;) {
    await watched.look();
    const now = watched.progress();
    if (now !== null && now.orders > 0 && !ordered) {
      ordered = true;
      watched.onFirstOrder();
    }
    const text =
      now === null ? "the first bar" : `bar ${now.bar} of ${bars}, ${now.orders} orders, equity ${now.equity ?? "-"}`;
    if (text !== said) stuckAtMs = performance.now() + stuckAfterMs;
    said = text;
    line.say(text);
    if (now?.done === true) return;
    if (performance.now() > stuckAtMs) {
      stuckAtMs = Number.POSITIVE_INFINITY;
      watched.onStuck(`The demo stands at ${text}: ${now?.waitsFor ?? "nothing is known"}`);
    }
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

/**
 * Plays the session to its last bar, compares the three accounts of it and prints the last line. Answers whether all are
 * equal. `mustEnd`: one that stands for long is a Trouble; else it is said, and waited for. `sinceMs`: when bin/up began, of
 * performance.now().
 */
export async function playDemo(
  engine: Engine,
  { plan, faultSeed, mustEnd }: { plan: readonly PlannedKill[]; faultSeed: number | null; mustEnd: boolean },
  sinceMs: number,
): Promise<boolean> {
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
  await startConductor(engine, sessionId, faultSeed);
  try {
    await step(`${run.bars} daily bars in lockstep`, (line) =>
      untilLastBar(line, {
        bars: run.bars,
        progress: () => progressOf(data),
        look: () => killer.look(),
        onFirstOrder() {
          firstOrder = took(sinceMs);
        },
        onStuck(sentence) {
          const where = `${sentence}; the logs are in ${data.logs}.`;
          if (mustEnd) throw new Trouble(where);
          // Said also where all else is quiet.
          report(new Trouble(where));
        },
      }),
    );
  } finally {
    if (faultSeed !== null) await setFaults(venueAccess(run, urls).url, faultSeed, []);
  }
  say(`  Time to the first order: ${firstOrder}`);
  showMemory(engine);
  const { result, differences } = await step("Engine, backtest and the venue's ledger compared", () =>
    compareRun(run, urls, sessionId),
  );
  for (const difference of differences) say(`  Different: ${difference}`);
  const kills: Kill[] = killer.happened(demoOrderBars(demoCloses(run.bars)));
  const missing = plan.filter(({ point }) => !kills.some((kill) => kill.point === point));
  for (const { point } of missing) say(`  A planned kill did not happen: ${point}`);
  const struck = progressOf(data)?.faults ?? [];
  const planned = faultSeed === null ? [] : planFaults({ seed: faultSeed, bars: run.bars });
  const notStruck = planned.flatMap(({ faults }) => faults.map(({ fault }) => fault)).slice(struck.length);
  for (const fault of notStruck) say(`  A planned fault did not strike: ${fault}`);
  run.done = true;
  saveRun(data.path, run);
  const whole = {
    ...result,
    equal: result.equal && missing.length === 0 && notStruck.length === 0,
    ...(plan.length === 0 ? {} : { kills }),
    ...(faultSeed === null ? {} : { faults: struck }),
  };
  process.stdout.write(`${JSON.stringify(whole)}\n`);
  return whole.equal;
}
