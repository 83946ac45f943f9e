import { Command } from "commander";
import { wholeNumber } from "#bin/options.ts";
import { report } from "#bin/say.ts";
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

try {
  await program.parseAsync();
} catch (error) {
  report(error);
  process.exitCode = 1;
}
