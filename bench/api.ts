import Table from "cli-table3";
import { makeDatabase } from "#local/make-database.ts";
import { freePort } from "#local/ports.ts";
import { ROOT } from "#local/root.ts";
import { step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { fillDatabase, INSTRUMENT } from "./api-rows.ts";
import { quantile } from "./quantile.ts";

const CONNECTIONS = 10;
const SECONDS = 3;

const CANDLES = `/api/market-data/candles?instrumentId=${encodeURIComponent(INSTRUMENT)}&timeFrame=1m`;
const ANSWERS = [
  { name: "orders", what: "100 orders", path: "/api/order-position-tracker/orders?limit=100", floor: "/orders" },
  { name: "cachedCandles", what: "1,000 candles by their number, cached", path: CANDLES, floor: "/candles" },
  { name: "candles", what: "1,000 candles by their time, not cached", path: `${CANDLES}&fromMs=1`, floor: "/candles" },
] as const;
type Name = (typeof ANSWERS)[number]["name"];

/** Answers a second of each address in each round. */
type Rates = Record<Name, number[]>;

async function textOf(url: string): Promise<string> {
  const answer = await fetch(url);
  const text = await answer.text();
  if (answer.status !== 200) throw new Trouble(`${url} answered ${answer.status}: ${text.slice(0, 300)}`);
  return text;
}

/** How often an address answers in a second, asked over so many connections at once. */
async function rateOf(url: string): Promise<number> {
  let answers = 0;
  const began = performance.now();
  const until = began + SECONDS * 1_000;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (performance.now() < until) {
        await textOf(url);
        answers += 1;
      }
    }),
  );
  return (answers * 1_000) / (performance.now() - began);
}

/** Starts a program and waits until it answers. */
async function startServer(
  { supervisor }: Scratch,
  name: string,
  port: number,
  { args, env }: { args: string[]; env: Record<string, string> },
): Promise<string> {
  const url = `http://127.0.0.1:${port}`;
  await supervisor.start({
    name,
    command: [process.execPath, ...args],
    cwd: ROOT,
    env,
    stopSignal: "SIGTERM",
    graceMs: 10_000,
    ready: () =>
      textOf(`${url}/livez`).then(
        () => true,
        () => false,
      ),
    readyWithinMs: 30_000,
  });
  return url;
}

async function startBoth(scratch: Scratch): Promise<{ engine: string; floor: string }> {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: false, given: {} });
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_bench");
  await fillDatabase(databaseUrl);
  const [port, floorPort] = [await freePort(), await freePort()];
  const env = {
    ...scratch.env,
    DATABASE_URL: databaseUrl,
    REDIS_URL: servers.redisUrl,
    R3_HTTP_PORT: String(port),
    R3_LOG_LEVEL: "warn",
  };
  const args = ["bin/run.ts", "order-position-tracker", "market-data"];
  const floorArgs = ["bench/api-floor.ts", databaseUrl, String(floorPort)];
  return {
    engine: await startServer(scratch, "engine", port, { args, env }),
    floor: await startServer(scratch, "floor", floorPort, { args: floorArgs, env: scratch.env }),
  };
}

/** A limit that answers something else would limit nothing. */
async function proveSame(engine: string, floor: string): Promise<void> {
  for (const { name, path, floor: bare } of ANSWERS) {
    const [ours, theirs] = [await textOf(`${engine}${path}`), await textOf(`${floor}${bare}`)];
    if (ours !== theirs) throw new Trouble(`The bare handler answers ${name} otherwise than the engine.`);
  }
}

async function measure(scratch: Scratch, rounds: number): Promise<{ engine: Rates; floor: Rates }> {
  const { engine, floor } = await step("A process of the engine, and the bare handler", () => startBoth(scratch));
  await proveSame(engine, floor);
  const rates = () => ({ orders: [], cachedCandles: [], candles: [] }) as Rates;
  const found = { engine: rates(), floor: rates() };
  // The first one is warm-up.
  for (let round = 0; round <= rounds; round += 1) {
    await step(round === 0 ? "Warm-up" : `Round ${round} of ${rounds}`, async (line) => {
      for (const { name, path, floor: bare } of ANSWERS) {
        const [ours, theirs] = [await rateOf(`${engine}${path}`), await rateOf(`${floor}${bare}`)];
        line.say(`${name} ${Math.round(ours)}/s, bare ${Math.round(theirs)}/s`);
        if (round === 0) continue;
        found.engine[name].push(ours);
        found.floor[name].push(theirs);
      }
    });
  }
  return found;
}

/**
 * Counts the answers a second of one process, beside a bare handler with the same query and JSON.stringify, in turns on the
 * same servers. Prints a table, then one JSON line.
 */
export async function benchApi({ rounds }: { rounds: number }): Promise<void> {
  const found = await inScratch({ prefix: "r3edge-bench-", command: "bench api" }, (scratch) =>
    measure(scratch, rounds),
  );
  const table = new Table({
    style: { head: [], border: [] },
    head: ["answer", "engine /s", "bare /s", "ratio"],
    colAligns: ["left", "right", "right", "right"],
  });
  const figures: Record<string, number> = {};
  for (const { name, what } of ANSWERS) {
    const [ours, bare] = [quantile(found.engine[name], 0.5), quantile(found.floor[name], 0.5)];
    const ratios = found.engine[name].map((rate, round) => rate / (found.floor[name][round] ?? Number.NaN));
    const ratio = Number(quantile(ratios, 0.5).toFixed(2));
    table.push([what, Math.round(ours), Math.round(bare), ratio.toFixed(2)]);
    Object.assign(figures, { [`${name}PerS`]: Math.round(ours), [`${name}Ratio`]: ratio });
  }
  process.stdout.write(
    `${CONNECTIONS} connections, medians of ${rounds} rounds of ${SECONDS} s each\n${table.toString()}\n`,
  );
  process.stdout.write(`${JSON.stringify({ ...figures, rounds, seconds: SECONDS, connections: CONNECTIONS })}\n`);
}
