import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { StrategyBar } from "#shared/strategy/strategy.ts";
import type { InstanceOptions, StrategyHost, StrategyInstance } from "./strategy-host.ts";
import { createThreadHost, type ThreadHostOptions } from "./thread-host.ts";

/** A folder of strategies of one test. */
export interface StrategyFolder {
  path: string;
  /** Writes a file; `body` is what `create` gives, `more` stands before the definition. */
  write(
    name: string,
    body: string,
    more?: { before?: string; params?: string; version?: string; name?: string },
  ): Promise<void>;
  /** Writes a file as it is. */
  writeFile(file: string, text: string): Promise<void>;
  removeFile(file: string): Promise<void>;
  /** Makes it again after it was removed. */
  make(): Promise<void>;
  remove(): Promise<void>;
}

/** An instance that does nothing but what is given. */
export const bodyOf = (onBar: string, snapshot = "null") =>
  `({ onBar(bar, context) { ${onBar} }, snapshot: () => (${snapshot}), restore(saved) {} })`;

export async function strategyFolder(): Promise<StrategyFolder> {
  const path = await mkdtemp(join(tmpdir(), "strategies-"));
  const write = (file: string, text: string) => writeFile(join(path, file), text);
  return {
    path,
    write: (name, body, { before = "", params = "z.strictObject({})", version = "1", name: other = name } = {}) =>
      write(
        `${name}.ts`,
        `import { z } from "zod";
import { defineStrategy } from "#shared/strategy/strategy.ts";
${before}
export const strategy = defineStrategy({
  name: "${other}", version: "${version}", description: "for tests", params: ${params},
  warmupBars: () => 0, forming: false, create: () => ${body},
});
`,
      ),
    writeFile: write,
    removeFile: (file) => rm(join(path, file)),
    make: () => mkdir(path),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Real threads over folders, with budgets that a test can wait for. */
export function threadHostOf(
  folders: readonly string[],
  more: Partial<Omit<ThreadHostOptions, "limits">> & { limits?: Partial<ThreadHostOptions["limits"]> } = {},
): StrategyHost {
  const { limits, ...rest } = more;
  return createThreadHost({
    folders,
    threads: 1,
    reload: false,
    clock: systemClock,
    log: pino({ level: "silent" }),
    processBytes: () => process.memoryUsage.rss(),
    ...rest,
    limits: { barMs: 300, slowMs: 5_000, memoryBytes: 5e8, ...limits },
  });
}

export const instanceOptionsOf = (strategy: string, more: Partial<InstanceOptions> = {}): InstanceOptions => ({
  sessionId: `session of ${strategy}`,
  strategy,
  version: "1",
  params: {},
  instrument: spx,
  snapshot: null,
  ...more,
});

export function barOf(n: number, close = 100): StrategyBar {
  const prices = { open: close, high: close, low: close, close, volume: 1 };
  return { n, openAtMs: n * 60_000, closeAtMs: (n + 1) * 60_000, ...prices, closed: true };
}

/** Shows a instance one bar each. */
export const show = (instance: StrategyInstance, ...bars: readonly StrategyBar[]) =>
  instance.onBars({ bars, mode: "all", size: "0", busy: false, warmUp: false });
