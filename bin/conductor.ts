import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Command } from "commander";
import { z } from "zod";
import { engineSnapshot, type Progress, progressSchema, restlessness, venueStateSchema } from "#demo/at-rest.ts";
import { planFaults } from "#demo/fault-plan.ts";
import { FaultDriver } from "#demo/venue-faults.ts";
import { getJson, postJson } from "#local/rest.ts";
import { say } from "#local/say.ts";
import { failpointSettingSchema } from "#shared/config/general.ts";
import type { Sql } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createFailpoints } from "#shared/service/create-failpoints.ts";

/** Pauses between two looks: short while the engine is busy, longer when something has been waited for long. */
const SHORTEST_PAUSE_MS = 0.5;
const LONGEST_PAUSE_MS = 50;
/** The share of what a bar usually takes that is slept through before the first glance at it. */
const SLEPT_SHARE = 0.75;
/** How often it says where the run stands, and after how long what it waits for. */
const PROGRESS_EVERY_MS = 250;
const COMPLAIN_AFTER_MS = 5_000;

/** How long it waits for the database before it looks anew. */
const DATABASE_TIMEOUT_MS = 2_000;

/** Counts say enough: no list of fills and ended orders is wanted. */
const COUNTS_ALONE = `sinceTradeId=${Number.MAX_SAFE_INTEGER}&sinceTerminal=${Number.MAX_SAFE_INTEGER}`;

const optionsSchema = z.object({
  venue: z.string(),
  session: z.string(),
  account: z.string(),
  bars: z.coerce.number().int().positive(),
  progress: z.string(),
  faults: z.coerce.number().int().positive().optional(),
});
type Options = z.infer<typeof optionsSchema>;

function writeProgress(file: string, progress: Progress): void {
  const fresh = `${file}.new`;
  writeFileSync(fresh, JSON.stringify(progress));
  renameSync(fresh, file);
}

function failpointsOf(environment: Record<string, string | undefined>) {
  const plans = z.array(failpointSettingSchema).parse(JSON.parse(environment["R3_FAILPOINTS"] ?? "[]"));
  return createFailpoints({
    plans,
    folder: environment["R3_FAILPOINT_FOLDER"],
    live: false,
    nowMs: () => Date.now(),
  });
}

/**
 * Waits until the strategy and the equity curve stand at a bar, by a glance at two rows: a whole look costs the engine more
 * than it tells while a bar is under way. Ends after a while in any case.
 */
class Glances {
  private usualMs = 0;

  constructor(
    private readonly sql: Sql,
    private readonly sessionId: string,
  ) {}

  async untilSeen(bar: number): Promise<void> {
    const beganMs = performance.now();
    await Bun.sleep(this.usualMs * SLEPT_SHARE);
    while (performance.now() - beganMs < LONGEST_PAUSE_MS) {
      const [row] = await this.sql<{ seen: boolean }[]>`
        select least(r.candle_n, c.candle_n) >= ${bar} as seen
        from strategy_executor.runs r join order_position_tracker.equity_cursors c using (session_id)
        where r.session_id = ${this.sessionId}`;
      if (row?.seen === true) break;
      await Bun.sleep(SHORTEST_PAUSE_MS);
    }
    this.usualMs += (performance.now() - beganMs - this.usualMs) / 10;
  }
}

/** Who makes the venue misbehave, going on where another one stood. Null: it behaves. */
function faultsOf({ faults: seed, bars, venue, progress }: Options): FaultDriver | null {
  if (seed === undefined) return null;
  const before = existsSync(progress) ? progressSchema.parse(JSON.parse(readFileSync(progress, "utf8"))).faults : [];
  return new FaultDriver(venue, seed, { plan: planFaults({ seed, bars }), struck: before });
}

/**
 * Drives a replay in lockstep: the venue's state first, then one snapshot of the engine; at rest, the step is released.
 * Killed anywhere, it goes on from the venue's state; another step than the venue's is refused there, so that no step is
 * ever taken twice. An engine or a database that is being restarted is waited for.
 */
async function conduct(options: Options): Promise<void> {
  const failpoints = failpointsOf(process.env);
  const db = createPostgresDb(process.env["DATABASE_URL"] ?? "", {
    maxConnections: 1,
    applicationName: "r3edge-conductor",
    timeoutMs: DATABASE_TIMEOUT_MS,
  });
  const session = { id: options.session, accountId: options.account };
  const glances = new Glances(db.sql, options.session);
  const faults = faultsOf(options);
  let pauseMs = SHORTEST_PAUSE_MS;
  let saidAtMs = 0;
  let movedAtMs = performance.now();
  mkdirSync(dirname(options.progress), { recursive: true });
  for (;;) {
    let waitsFor: string | null;
    try {
      const state = venueStateSchema.parse(await getJson(`${options.venue}/control/state?${COUNTS_ALONE}`));
      await faults?.look(state.bar);
      const engine = await engineSnapshot(db.sql, session);
      waitsFor = restlessness(state, engine);
      const done = waitsFor === null && state.bar >= options.bars;
      if (done || performance.now() - saidAtMs > PROGRESS_EVERY_MS) {
        saidAtMs = performance.now();
        writeProgress(options.progress, {
          bar: state.bar,
          orders: engine.orders,
          equity: engine.equity,
          waitsFor,
          done,
          faults: faults?.struck ?? [],
        });
      }
      if (done) break;
      if (waitsFor === null) {
        const release = { step: state.step };
        const answer = await postJson(`${options.venue}/control/release?${COUNTS_ALONE}`, release, { accept: [409] });
        // The venue has gone on, and nothing here knows it yet.
        failpoints.hit("conductor.released", { bar: state.bar });
        await glances.untilSeen(venueStateSchema.parse(answer.body).bar);
        pauseMs = SHORTEST_PAUSE_MS;
        movedAtMs = performance.now();
        continue;
      }
    } catch (error) {
      waitsFor = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() - movedAtMs > COMPLAIN_AFTER_MS) {
      say(`Waiting: ${waitsFor}`);
      movedAtMs = performance.now();
    }
    await Bun.sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 1.2, LONGEST_PAUSE_MS);
  }
  await db.close();
}

if (import.meta.main) {
  const command = new Command("conductor")
    .description("Releases the paper venue's replay, one step at a time, whenever the engine is at rest.")
    .requiredOption("--venue <url>", "base URL of the replay's market")
    .requiredOption("--session <id>", "the session that trades there")
    .requiredOption("--account <id>", "its account")
    .requiredOption("--bars <n>", "how many bars to play")
    .requiredOption("--progress <file>", "where to say how far it is")
    .option("--faults <seed>", "draws the faults by which the venue misbehaves on the way")
    .parse();
  await conduct(optionsSchema.parse(command.opts()));
}
