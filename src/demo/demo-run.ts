import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { ROOT } from "#local/root.ts";
import { isAbove } from "#shared/indicators/compare.ts";
import { createSma } from "#shared/indicators/sma.ts";

const runSchema = z.object({
  /** Names its market, its account, its database and its keys in Redis: each run has its own of each. */
  id: z.string().regex(/^[a-z0-9]{1,20}$/),
  bars: z.number().int().positive(),
  apiKey: z.string(),
  secret: z.string(),
  /** Keys of the requests that create things, so that a repeated one creates nothing new. */
  sessionKey: z.string(),
  backtestKey: z.string(),
  sessionId: z.string().nullable(),
  done: z.boolean(),
});
/** A run of the demo, as it is remembered in the data folder, so that it goes on after a kill of everything. */
export type DemoRun = z.infer<typeof runSchema>;

/** The real market data: daily bars of the S&P 500 from 2000 to 2020. */
export const BARS_FILE = join(ROOT, "node_modules/vega-datasets/data/sp500-2000.csv");

/** What the conductor says of its progress, in the data folder. */
export const PROGRESS_FILE = "progress.json";

const closesSchema = z.array(z.object({ close: z.string() }));

/** The closes of the first bars, or of all. */
export function demoCloses(limit?: number): number[] {
  const rows: unknown = parse(readFileSync(BARS_FILE, "utf8"), {
    columns: true,
    ...(limit === undefined ? {} : { to: limit }),
  });
  return closesSchema.parse(rows).map(({ close }) => Number(close));
}

/** The bars after which the demo's session orders, in the order of its orders: where the averages of 10 and 30 cross. */
export function demoOrderBars(closes: readonly number[]): number[] {
  const [fast, slow] = [createSma(10), createSma(30)];
  let long = false;
  return closes.flatMap((close, index) => {
    const [quick, steady] = [fast.update(close), slow.update(close)];
    if (Number.isNaN(steady) || isAbove(quick, steady) === long) return [];
    long = !long;
    return [index + 1];
  });
}

const fileOf = (folder: string): string => join(folder, "demo.json");

/** The run this data folder holds. Null: none. */
export function loadRun(folder: string): DemoRun | null {
  return existsSync(fileOf(folder)) ? runSchema.parse(JSON.parse(readFileSync(fileOf(folder), "utf8"))) : null;
}

export function saveRun(folder: string, run: DemoRun): void {
  writeFileSync(`${fileOf(folder)}.new`, JSON.stringify(run, null, 2), { mode: 0o600 });
  renameSync(`${fileOf(folder)}.new`, fileOf(folder));
}

/** Begins a new run in place of the one before, whose venue's files, keys in Redis and failpoint marks go. */
export function beginRun(folder: string, bars: number): DemoRun {
  for (const name of ["paper-exchange", "failpoints", "redis", PROGRESS_FILE])
    rmSync(join(folder, name), { recursive: true, force: true });
  const run: DemoRun = {
    id: `demo${randomBytes(4).toString("hex")}`,
    bars,
    apiKey: randomBytes(16).toString("hex"),
    secret: randomBytes(32).toString("hex"),
    sessionKey: randomUUID(),
    backtestKey: randomUUID(),
    sessionId: null,
    done: false,
  };
  saveRun(folder, run);
  return run;
}
