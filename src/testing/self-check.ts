import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { report, step, Trouble } from "#local/say.ts";
import type { Scratch } from "#local/scratch.ts";
import { copyRepository } from "./copy-repository.ts";

const LIMIT_MS = 180_000;

/** A fault to be planted, and who has to find it. */
interface Fault {
  name: string;
  file: string;
  plant(source: string): string;
  command: readonly string[];
  /** The rule, or the test, that has to find it. */
  finder: string;
  /** What the output has to say besides. */
  mustSay: readonly string[];
}

/** Where the copy is, and the environment of what runs in it. */
interface Place {
  copy: string;
  env: Record<string, string>;
}

const CHECK = ["run", "check"];
/** Long enough for what every run begins with: lost answers to orders while lists lag, and dropped bars. */
const CHAOS = ["run", "chaos", "venue", "--seed", "1", "--seconds", "20"];
/** Real processes, one of which is killed, on servers of its own. */
const MARKET = ["bin/test.ts", "src/e2e/market-kill"];
const append = (text: string) => (source: string) => `${source}\n${text}\n`;
const replace = (what: string, by: string) => (source: string) => source.replace(what, by);
/** Both, or the fault is none. */
const replaceTwo = (one: readonly [string, string], two: readonly [string, string]) => (source: string) =>
  source.includes(one[0]) && source.includes(two[0]) ? source.replace(...one).replace(...two) : source;
/** Real processes, one of which is killed, on servers of its own. */
const SWEEP = ["bin/test.ts", "src/e2e/sweep-kill"];

const FAULTS: readonly Fault[] = [
  {
    name: "a service that imports another one",
    file: "src/services/risk-manager/decision/decide-signal.ts",
    plant: (source) => `import "#services/backtest/index.ts";\n${source}`,
    command: CHECK,
    finder: "A service never imports another service",
    mustSay: ["risk-manager/decision/decide-signal.ts"],
  },
  {
    name: "a service that imports an adapter instead of its port",
    file: "src/services/risk-manager/decision/decide-signal.ts",
    plant: (source) => `import "#shared/bus/redis-broker.ts";\n${source}`,
    command: CHECK,
    finder: "no-restricted-imports",
    mustSay: ["Import the port; bin picks the adapter.", "risk-manager/decision/decide-signal.ts"],
  },
  {
    name: "a driver that is imported outside of its adapter",
    file: "src/shared/leader/leader.ts",
    plant: (source) => `import "ioredis";\n${source}`,
    command: CHECK,
    finder: "no-restricted-imports",
    mustSay: ["A driver is imported by its adapter alone.", "leader/leader.ts"],
  },
  {
    name: "a part of a driver that is imported outside of its adapter",
    file: "src/shared/exchange/bans.ts",
    plant: (source) => `import "ccxt/binance-pro";\n${source}`,
    command: CHECK,
    finder: "no-restricted-imports",
    mustSay: ["A driver is imported by its adapter alone.", "exchange/bans.ts"],
  },
  {
    name: "a statement outside of a store",
    file: "src/services/risk-manager/decision/decide-signal.ts",
    plant: append("export const read = (sql: Sql) => sql`select 1`;"),
    command: CHECK,
    finder: "SQL stands in stores",
    mustSay: ["risk-manager/decision/decide-signal.ts"],
  },
  {
    name: "a promise that nobody waits for",
    file: "src/services/backtest/load-candles.ts",
    plant: append("Promise.resolve(1);"),
    command: CHECK,
    finder: "no-floating-promises",
    mustSay: ["backtest/load-candles.ts"],
  },
  {
    name: "a type error",
    file: "src/shared/accounting/flat.ts",
    plant: append('const planted: number = "text";\nvoid planted;'),
    command: CHECK,
    finder: "TS2322",
    mustSay: ["accounting/flat.ts"],
  },
  {
    name: "a file that is not formatted",
    file: "src/shared/accounting/flat.ts",
    plant: replace("export function", "export   function"),
    command: CHECK,
    finder: "Formatter would have printed",
    mustSay: ["accounting/flat.ts"],
  },
  {
    name: "an export that nobody uses",
    file: "src/shared/accounting/flat.ts",
    plant: append("export function plantedExport(): void {}"),
    command: CHECK,
    finder: "Unused exports",
    mustSay: ["plantedExport", "accounting/flat.ts"],
  },
  {
    name: "a comparison turned around in sizing",
    file: "src/shared/risk/decide.ts",
    plant: replace("notional.lt(minNotional)", "notional.gt(minNotional)"),
    command: ["test", "./src/shared/risk/decide.test.ts"],
    finder: "a percent-of-equity buy is the largest multiple of the step that the share can pay, fee included",
    mustSay: [],
  },
  {
    name: "a comparison turned around in matching",
    file: "src/shared/matching/matcher.ts",
    plant: replace('side === "BUY" ? price.lte(limit)', 'side !== "BUY" ? price.lte(limit)'),
    command: ["test", "./src/shared/matching/matcher.test.ts"],
    finder: "a limit that rests fills later at its limit, as maker",
    mustSay: [],
  },
  {
    name: "a comparison turned around in fees",
    file: "src/shared/accounting/fees.ts",
    plant: replace('received = side === "BUY"', 'received = side !== "BUY"'),
    command: ["test", "./src/shared/accounting/accounting.test.ts"],
    finder: "is rounded down, by less than one unit of its last digit",
    mustSay: [],
  },
  {
    name: "an order sent again without proof that the venue does not have it",
    file: "src/services/order-position-tracker/orders/trace-order.ts",
    plant: replace("Math.max(0, absentFromMs - trace.askedAtMs + 1)", "Math.max(0, 0 * absentFromMs)"),
    command: CHAOS,
    finder: "was executed twice at the venue",
    mustSay: ["DOUBLE_EXECUTION"],
  },
  {
    name: "a hole between two bars that nobody notices",
    file: "src/shared/candles/bar-order.ts",
    plant: replace("frame.openAtMs !== before.closeAtMs", "frame.openAtMs < before.closeAtMs"),
    command: CHAOS,
    finder: "is missing here",
    mustSay: ["the bar"],
  },
  {
    name: "a message that has another id with each try",
    file: "src/services/notification/delivery/deliver.ts",
    plant: replace(
      "verdictOf(send, message, ending.signal)",
      "verdictOf(send, { ...message, id: crypto.randomUUID() }, ending.signal)",
    ),
    command: ["bin/test.ts", "src/e2e/notification-kill.e2e.test.ts"],
    finder: "(fail) two instances, one killed: each message arrives",
    mustSay: ["toEqual({ id: first.id"],
  },
  {
    name: "a leader of monitoring that was deposed and writes all the same",
    file: "src/services/monitoring/rules/look.ts",
    plant: replace("await deps.leader.fence(tx, ROLE, epoch);", ""),
    command: ["bin/test.ts", "src/e2e/monitoring-kill.e2e.test.ts"],
    finder: "(fail) two instances: one leads; killed, frozen and stopped",
    mustSay: ["expect([...epochs]).toEqual([present.epoch])"],
  },
  {
    name: "runs of a sweep that who takes over a killed worker's part counts again",
    file: "src/services/backtest/sweep/store.ts",
    plant: replaceTwo(
      ["and state = 'QUEUED' order by number", "order by number"],
      ["given.number and r.state = 'QUEUED'", "given.number"],
    ),
    command: SWEEP,
    finder: "(fail) a sweep over three workers, one of them killed",
    mustSay: [],
  },
  {
    name: "a worker of a sweep that reads the candles there are by now",
    file: "src/services/backtest/sweep/work.ts",
    plant: replaceTwo(
      ["sweep.pinned === null ? await look(deps, request, limits) : null", "await look(deps, request, limits)"],
      ["firstN, lastN } = pinned;", "firstN, lastN } = found.pinned;"],
    ),
    command: SWEEP,
    finder: "(fail) a sweep over three workers, one of them killed",
    mustSay: ["- Expected  - "],
  },
  {
    name: "a change of a session that keeps no answer under its Idempotency-Key",
    file: "src/services/session-manager/session/conditions.ts",
    plant: replace("if (key === undefined) return", 'if (key !== "") return'),
    command: ["bin/test.ts", "src/e2e/session-manager-replicas.e2e.test.ts"],
    finder: "(fail) one replica is killed, one frozen and woken",
    mustSay: [],
  },
  {
    name: "an order of a worker that died, of which nobody asks the venue",
    file: "src/services/order-position-tracker/orders/place-order.ts",
    plant: replace(
      'return { move: "resolve", order: unknown };',
      'tx.complete(task, { state: "given up" });\n    return NOTHING_TO_DO;',
    ),
    command: ["bin/test.ts", "chaos/workers.e2e.test.ts"],
    finder: "(fail) two of three workers each die in mid-order",
    mustSay: [],
  },
  {
    name: "a takeover that does not read the candles it has missed",
    file: "src/services/strategy-executor/session/session-runner.ts",
    plant: replace("if (!hole && !this.#catchUp) return", "if (row.candleN >= 0) return"),
    command: ["run", "chaos", "takeover"],
    finder: "signals are missing",
    mustSay: ["No signal: session and bar"],
  },
  {
    name: "a hole that the bars of a killed instance leave, and nobody closes",
    file: "src/shared/candles/bar-order.ts",
    plant: replace('bar.prevOpenAtMs === headOpenAtMs ? "next" : "hole"', '"next"'),
    command: MARKET,
    finder: "(fail) three instances at two venues, one killed",
    mustSay: ["- Expected  - "],
  },
  {
    name: "trades that a killed instance has not told, and nobody asks for",
    file: "src/shared/candles/trade-ids.ts",
    plant: replace('distance === 1n ? "next" : "hole"', '"next"'),
    command: MARKET,
    finder: "(fail) three instances at two venues, one killed",
    mustSay: ["- Expected  - "],
  },
];

async function run({ copy, env }: Place, command: readonly string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: copy,
    env,
    stdout: "pipe",
    stderr: "pipe",
    timeout: LIMIT_MS,
  });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, output: output.join("") };
}

function failedTests(output: string): string {
  return output
    .split("\n")
    .filter((line) => line.startsWith("(fail)"))
    .join("\n");
}

async function tryFault(place: Place, fault: Fault): Promise<void> {
  const file = join(place.copy, fault.file);
  const source = readFileSync(file, "utf8");
  const planted = fault.plant(source);
  if (planted === source) throw new Trouble(`There is no place for it any more in ${fault.file}.`);
  writeFileSync(file, planted);
  const { code, output } = await run(place, fault.command);
  writeFileSync(file, source);
  if (code === 0) throw new Trouble(`Nobody noticed it in ${fault.file}.`);
  const found = fault.command[0] === "test" ? failedTests(output) : output;
  const missing = [
    ...(found.includes(fault.finder) ? [] : [fault.finder]),
    ...fault.mustSay.filter((text) => !output.includes(text)),
  ];
  if (missing.length > 0)
    throw new Trouble(`It turned red without saying "${missing.join('", "')}":\n${output.slice(-3_000)}`);
}

/** Plants faults in a copy of the repository, one after the other; each has to be found by who is meant to find it. */
export async function selfCheck({ data, env }: Scratch): Promise<{ passed: number; failed: number }> {
  const place: Place = { copy: copyRepository(data.path), env };
  const counts = { passed: 0, failed: 0 };
  const count = async (name: string, body: () => Promise<void>): Promise<void> => {
    try {
      await step(name, body);
      counts.passed += 1;
    } catch (error) {
      report(error);
      counts.failed += 1;
    }
  };
  try {
    await count("Green without a fault", async () => {
      const { code, output } = await run(place, CHECK);
      if (code !== 0) throw new Trouble(`The check is red before anything was planted:\n${output.slice(-3_000)}`);
    });
    for (const fault of FAULTS) await count(`"${fault.finder}" finds ${fault.name}`, () => tryFault(place, fault));
  } finally {
    rmSync(place.copy, { recursive: true, force: true });
  }
  return counts;
}
