import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execPath } from "node:process";
import { z } from "zod";
import { until } from "#shared/clock/until.fixture.ts";

/** A market of the simulated venue that makes up its trades, whose account has 100,000 USDT. */
export const MADE_UP_MARKET = {
  id: "made-up",
  symbol: "BTC/USDT",
  pace: "synthetic",
  startPrice: "30000",
  tradeEveryMs: 100,
  historyBars: 20,
  rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" },
  fees: { maker: "0.0005", taker: "0.001" },
  account: { apiKey: "key", secret: "secret", balances: { USDT: "100000" } },
};

const ROOT = resolve(import.meta.dir, "../../..");

/** The simulated venue as a process of its own, as it is started for real: none of its code is known here. */
export interface PaperVenue {
  /** Base URL of a market. */
  url(marketId: string): string;
  /** Asks something of a market's control: "tick", "faults". */
  control(marketId: string, path: string, body: object): Promise<void>;
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

/** Starts the venue with these markets, as its settings name them, and control on. */
export async function startPaperVenue(markets: readonly object[]): Promise<PaperVenue> {
  const folder = await mkdtemp(join(tmpdir(), "paper-venue-"));
  const child = Bun.spawn([execPath, "bin/run.ts", "paper-exchange"], {
    cwd: ROOT,
    env: {
      PATH: import.meta.env["PATH"] ?? "",
      R3_HTTP_PORT: "0",
      R3_LOG_FORMAT: "json",
      R3_PAPER_EXCHANGE_CONTROL: "true",
      R3_PAPER_EXCHANGE_FOLDER: folder,
      R3_PAPER_EXCHANGE_MARKETS: JSON.stringify(markets),
    },
    stdout: "pipe",
    stderr: "ignore",
  });
  const address = await addressOf(child.stdout);
  // It listens before its markets are open.
  await until(async () => (await fetch(`${address}/readyz`)).ok);
  const url = (marketId: string) => `${address}/api/paper-exchange/markets/${marketId}`;
  return {
    url,
    async control(marketId, path, body) {
      const headers = { "content-type": "application/json" };
      const request = { method: "POST", headers, body: JSON.stringify(body) };
      const answer = await fetch(`${url(marketId)}/control/${path}`, request);
      if (!answer.ok) throw new Error(`The venue refused control/${path}: ${await answer.text()}`);
    },
    async stop() {
      child.kill();
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
