import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execPath } from "node:process";
import { z } from "zod";
import { systemClock } from "#shared/clock/system.ts";

const ROOT = resolve(import.meta.dir, "../../..");
export const KEYS = { apiKey: "paper-key", secret: "paper-secret" };
/** What the account of each market owns before its first order, in the quote asset. */
export const DEPOSIT = "1000000";

/** The simulated venue as a process of its own, as it is started for real: none of its code is known here. */
export interface VenueProcess {
  /** Base URL of a market. */
  url(marketId: string): string;
  /** Shows one price: market orders that wait, and limit orders that it reaches, are filled. */
  tick(marketId: string, price: string): Promise<void>;
  /** Sets the faults of a market in place of those before. */
  misbehave(marketId: string, faults: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

function marketOf(id: string) {
  return {
    id,
    symbol: "SPX/USD",
    pace: "manual",
    firstPrice: "next",
    rules: { priceStep: "0.01", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10", feeDecimals: 8 },
    fees: { maker: "0.0005", taker: "0.001" },
    account: { ...KEYS, balances: { USD: DEPOSIT } },
  };
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

/** Starts the venue with a ticker market for each id. Each has an account of its own, so that tests share nothing. */
export async function startVenueProcess(marketIds: readonly string[]): Promise<VenueProcess> {
  const folder = await mkdtemp(join(tmpdir(), "tracker-venue-"));
  const child = Bun.spawn([execPath, "bin/run.ts", "paper-exchange"], {
    cwd: ROOT,
    env: {
      PATH: import.meta.env["PATH"] ?? "",
      R3_HTTP_PORT: "0",
      R3_LOG_FORMAT: "json",
      R3_PAPER_EXCHANGE_CONTROL: "true",
      R3_PAPER_EXCHANGE_FOLDER: folder,
      R3_PAPER_EXCHANGE_MARKETS: JSON.stringify(marketIds.map(marketOf)),
    },
    stdout: "pipe",
    stderr: "ignore",
  });
  const address = await addressOf(child.stdout);
  // It listens before its markets are open.
  while (!(await fetch(`${address}/readyz`)).ok) await systemClock.sleep(10);
  const url = (marketId: string) => `${address}/api/paper-exchange/markets/${marketId}`;
  const control = async (marketId: string, path: string, body: object): Promise<void> => {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(`${url(marketId)}/control/${path}`, request);
    if (!answer.ok) throw new Error(`The venue refused control/${path}: ${await answer.text()}`);
  };
  return {
    url,
    tick: (marketId, price) => control(marketId, "tick", { price }),
    misbehave: (marketId, faults) => control(marketId, "faults", { faults }),
    async stop() {
      child.kill();
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
