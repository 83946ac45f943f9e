import { Command } from "commander";
import { wholeNumber } from "#local/options.ts";
import { report } from "#local/say.ts";
import { benchApi } from "./api.ts";
import { benchBacktest } from "./backtest.ts";
import { benchCandles } from "./candles.ts";
import { benchNotify } from "./notify.ts";
import { benchSessions } from "./sessions.ts";
import { benchSweep } from "./sweep.ts";
import { benchTickToOrder } from "./tick-to-order.ts";

const count = wholeNumber(10_000);
const countsOf = (text: string, before: number[] | undefined): number[] => [...(before ?? []), count(text)];
const SESSIONS = [100, 500, 1_000];

const program = new Command("bench").description(
  "Benchmarks. Each starts and removes its own servers, and prints a table, then one line of JSON.",
);

program
  .command("tick-to-order")
  .description("from a trade's frame to the order request, beside the bare chain of the same commits and wake-ups")
  .option("--one-process", "all services in one process", false)
  .option("--rounds <n>", "rounds of 420 orders", wholeNumber(1_000), 5)
  .action((options: { oneProcess: boolean; rounds: number }) => benchTickToOrder(options));

program
  .command("backtest")
  .description("bars a second of a backtest with orders, fees and exact money, beside a bare loop")
  .action(() => benchBacktest());

program
  .command("sweep")
  .description("a sweep of 100 pairs of averages over 100,000 bars: one worker, two, and the bare loop in one thread")
  .option("--rounds <n>", "rounds of all three", wholeNumber(1_000), 5)
  .action((options: { rounds: number }) => benchSweep(options));

program
  .command("sessions")
  .description(
    "crowds of sessions on one market: until all run, to the last signal, and a burst of orders at one close",
  )
  .argument("[sessions...]", `how many, one crowd after the other (default: ${SESSIONS.join(" ")})`, countsOf)
  .option("--burst <n>", "how many order at one close", wholeNumber(10_000), 250)
  .option("--rounds <n>", "rounds of a close with all signals and one with a burst", wholeNumber(1_000), 2)
  .option("--processes", "a process for each service", false)
  // Commander counts on from a default of its own: nothing given is undefined here.
  .action((sessions: number[] | undefined, options: { burst: number; rounds: number; processes: boolean }) =>
    benchSessions({ ...options, sessions: sessions ?? SESSIONS }),
  );

program
  .command("api")
  .description("answers a second of orders and candles, beside a bare handler with the same query and JSON.stringify")
  .option("--rounds <n>", "rounds of 18 seconds", wholeNumber(1_000), 5)
  .action((options: { rounds: number }) => benchApi(options));

program
  .command("notify")
  .description("messages a second from the raise of alerts to a local webhook, for 100 recipients")
  .option("--rounds <n>", "rounds of 10,000 messages", wholeNumber(1_000), 3)
  .action((options: { rounds: number }) => benchNotify(options));

program
  .command("candles")
  .description(
    "trades a second of market.trades into candles of seven time frames, stored and published, beside a bare fold",
  )
  .option("--rounds <n>", "rounds of 300,000 trades", wholeNumber(1_000), 3)
  .action((options: { rounds: number }) => benchCandles(options));

try {
  await program.parseAsync();
} catch (error) {
  report(error);
  process.exitCode = 1;
}
