import { Command } from "commander";
import { wholeNumber } from "#local/options.ts";
import { demoCloses, demoOrderBars } from "./demo-run.ts";
import { fewestBars } from "./fault-plan.ts";
import { KILL_POINTS, type PlannedKill, planKills } from "./kill-plan.ts";

/** What bin/up was asked for. */
export interface UpOptions {
  untilDemoEnds: boolean;
  /** Undefined: not said. */
  bars?: number;
  fresh: boolean;
  /** What --fresh asks is answered. */
  yes: boolean;
  processes: boolean;
  /** The kills on the way. Empty: none. */
  plan: readonly PlannedKill[];
  json: boolean;
  /** Draws the faults of the venue on the way. Null: it behaves. */
  faults: number | null;
}

const DEFAULT_SEED = 1;
const MOST_SEED = 1_000_000_000;

/** A fault that never strikes would say nothing of the engine. */
function refuseFewBars(seed: number, bars: number, closes: readonly number[]): void {
  const fewest = fewestBars(seed, { most: closes.length, orderBars: demoOrderBars(closes) });
  if (bars < fewest)
    throw new RangeError(
      `The first ${bars} bars hold too few orders for all of --faults ${seed}; --bars has to be at least ${fewest}.`,
    );
}

/** Reads bin/up's command line. What cannot be is one sentence, and exit code 1, before anything is started. */
export function readUpOptions(argv: readonly string[]): UpOptions {
  const closes = demoCloses();
  const command = new Command("bin/up")
    .description(
      "Starts Postgres, Redis and every service, and runs the demo session on twenty years of real market data.",
    )
    .option("--until-demo-ends", "stop when the demo has ended; exit 0 only if all accounts of it are equal", false)
    .option("--bars <n>", `play the first bars only, 1 to ${closes.length}`, wholeNumber(closes.length))
    .option("--fresh", "play a new demo; the one before goes, and sessions of yours if you say yes", false)
    .option("--yes", "with --fresh: remove them without asking", false)
    .option("--processes", "one process for each service", false)
    .option(
      "--kill <k>",
      `kill this many times on the way, 1 to ${KILL_POINTS.length}, at places the seed draws`,
      wholeNumber(KILL_POINTS.length),
    )
    .option("--seed <n>", `draws the kills, 1 to ${MOST_SEED} (default: ${DEFAULT_SEED})`, wholeNumber(MOST_SEED))
    .option(
      "--faults <seed>",
      `the venue misbehaves on the way, drawn by a seed of 1 to ${MOST_SEED}: every fault that changes nothing of what it executes`,
      wholeNumber(MOST_SEED),
    )
    .option("--json", "say nothing but the last line", false)
    .addHelpText(
      "after",
      "\nSettings: R3_DATA_FOLDER (default .data), R3_HTTP_PORT, R3_POSTGRES_PORT, R3_REDIS_PORT, DATABASE_URL, REDIS_URL,\n" +
        "and all others of .env.example, from the environment or the file that R3_SETTINGS_FILE names.\n" +
        "\nExit code: 0 where Ctrl-C (or SIGTERM) ends what is up; with --until-demo-ends where the demo has ended equal.\n" +
        "130 where it is interrupted before it is up, or before that demo has ended. 1 where something fails or is not equal.",
    )
    .parse(argv);
  const {
    kill,
    seed,
    faults = null,
    ...given
  } = command.opts<Omit<UpOptions, "plan" | "faults"> & { kill?: number; seed?: number; faults?: number }>();
  if (kill === undefined && seed !== undefined)
    command.error("error: --seed draws the kills that --kill asks for; give both or neither.");
  if (given.yes && !given.fresh) command.error("error: --yes answers what --fresh asks; give both or neither.");
  try {
    const bars = given.bars ?? closes.length;
    if (faults !== null) refuseFewBars(faults, bars, closes);
    const orderBars = demoOrderBars(closes.slice(0, bars));
    return { ...given, faults, plan: planKills({ seed: seed ?? DEFAULT_SEED, kills: kill ?? 0, bars, orderBars }) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return command.error(`error: ${error.message}`);
  }
}
