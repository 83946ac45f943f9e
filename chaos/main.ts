import { Command, Option } from "commander";
import { wholeNumber } from "#local/options.ts";
import { report } from "#local/say.ts";
import { type ChaosDemoOptions, chaosDemo } from "./demo.ts";
import { LAYOUTS } from "./demo-faults.ts";
import { chaosRush, type RushOptions } from "./rush.ts";
import { chaosTakeover } from "./takeover.ts";
import { chaosVenue } from "./venue.ts";

const program = new Command("chaos").description(
  "Faults against the running system. Each run starts and removes its own servers, prints what it found, then one line of JSON; exit 0 only with nothing lost and nothing doubled.",
);

program
  .command("venue")
  .description("sessions trade on synthetic markets whose venue misbehaves; its ledger is the witness")
  .option("--seed <n>", "draws the faults", wholeNumber(1_000_000), 1)
  .option("--seconds <s>", "how long the venues misbehave", wholeNumber(86_400), 60)
  .action((options: { seed: number; seconds: number }) => chaosVenue(options));

program
  .command("demo")
  .description(
    "the demo while processes, servers and connections are killed, frozen, wiped, cut and silent; it has to end equal",
  )
  .option("--seed <n>", "draws the faults", wholeNumber(1_000_000_000), 1)
  .option("--bars <n>", "how many bars to play", wholeNumber(5_105), 1_500)
  .addOption(
    new Option("--layout <layout>", "services in one process, one each, or with replicas")
      .choices(LAYOUTS)
      .default("one"),
  )
  .addOption(
    new Option(
      "--falsify <what>",
      "change one equity point or one fill before the comparison, to see it found",
    ).choices(["equity", "fill"]),
  )
  .action((options: ChaosDemoOptions) => chaosDemo(options));

program
  .command("rush")
  .description("sessions created and started all at once, beside some that run, which it may not hold up")
  .option("--sessions <n>", "how many", wholeNumber(10_000), 1_000)
  .option("--processes", "a process for each service", false)
  .action((options: RushOptions) => chaosRush(options));

program
  .command("takeover")
  .description("twenty sessions over two strategy-executors, one of which is killed, frozen and woken, told to end")
  .action(() => chaosTakeover());

try {
  await program.parseAsync();
} catch (error) {
  report(error);
  process.exitCode = 1;
}
