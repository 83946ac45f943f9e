import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execPath } from "node:process";
import { pino } from "pino";
import { z } from "zod";
import { systemClock } from "#shared/clock/system.ts";
import { createCcxtExchanges } from "#shared/exchange/ccxt.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";

const ROOT = resolve(import.meta.dir, "../../..");
const MARKET = "made-up";
/** What the venue trades. */
export const MADE_UP = "BTC/USDT.paper";

const SETTINGS = {
  id: MARKET,
  symbol: "BTC/USDT",
  pace: "synthetic",
  startPrice: "30000",
  tradeEveryMs: 100,
  historyBars: 10,
  rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" },
  fees: { maker: "0.0005", taker: "0.001" },
  account: { apiKey: "key", secret: "secret", balances: { USDT: "1" } },
};

/** The simulated venue as a process of its own with a market in wall-clock time: none of its code is known here. */
export interface VenueProcess {
  /** Makes the engine's own connector to it. */
  connect(): Exchanges;
  /** Sets the faults of its market in place of those before. */
  misbehave(...faults: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

const listening = z.object({ msg: z.literal("listening"), url: z.string() });

async function addressOf(stdout: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stdout) {
    text += decoder.decode(chunk, { stream: true });
    for (const line of text.split("\n").slice(0, -1)) {
      const told = listening.safeParse(JSON.parse(line));
      if (told.success) return told.data.url;
    }
  }
  throw new Error(`The venue did not start: ${text}`);
}

export async function startVenueProcess(): Promise<VenueProcess> {
  const folder = await mkdtemp(join(tmpdir(), "collect-venue-"));
  const child = Bun.spawn([execPath, "bin/run.ts", "paper-exchange"], {
    cwd: ROOT,
    env: {
      PATH: import.meta.env["PATH"] ?? "",
      R3_HTTP_PORT: "0",
      R3_LOG_FORMAT: "json",
      R3_PAPER_EXCHANGE_CONTROL: "true",
      R3_PAPER_EXCHANGE_FOLDER: folder,
      R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([SETTINGS]),
    },
    stdout: "pipe",
    stderr: "ignore",
  });
  const address = await addressOf(child.stdout);
  // It listens before its markets are open.
  while (!(await fetch(`${address}/readyz`)).ok) await systemClock.sleep(10);
  const url = `${address}/api/paper-exchange/markets/${MARKET}`;
  return {
    connect: () =>
      createCcxtExchanges({
        venues: [{ id: "paper", connector: "binance", restUrl: url }],
        accounts: [],
        clock: systemClock,
        log: pino({ level: "silent" }),
      }),
    async misbehave(...faults) {
      const headers = { "content-type": "application/json" };
      const request = { method: "POST", headers, body: JSON.stringify({ faults }) };
      const answer = await fetch(`${url}/control/faults`, request);
      if (!answer.ok) throw new Error(`The venue refused its faults: ${await answer.text()}`);
    },
    async stop() {
      child.kill();
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
