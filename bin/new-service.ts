import { Command, InvalidArgumentError } from "commander";
import { makeService } from "#local/make-service.ts";
import { report, say } from "#local/say.ts";
import { SCALING_KINDS, type ScalingKind } from "#local/template-copy.ts";
import { nearestName } from "#shared/config/nearest-name.ts";

const KINDS = Object.keys(SCALING_KINDS);

const isKind = (text: string): text is ScalingKind => Object.hasOwn(SCALING_KINDS, text);

function kindOf(text: string): ScalingKind {
  if (isKind(text)) return text;
  const nearest = nearestName(text, KINDS);
  throw new InvalidArgumentError(nearest === null ? `There are ${KINDS.join(", ")}.` : `Did you mean ${nearest}?`);
}

/** What a person does next. */
function nextSteps(name: string): string {
  const commands = [
    [`bin/test src/services/${name}`, "its test"],
    ["bin/up", `it beside all the others; GET /api/${name}/notes lists what it has noted`],
    [`bin/bun run ${name}`, "it alone, on a Postgres (17 or newer) and a Redis of yours (DATABASE_URL, REDIS_URL)"],
  ] as const;
  const width = Math.max(...commands.map(([command]) => command.length));
  const lines = commands.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`);
  return `
What runs:
${lines.join("\n")}
Begin to edit in src/services/${name}: messages.ts is what it gives out, note-position.ts what it does with what comes
in, work.ts how several instances share that. CONTRIBUTING.md ("Add a service") says what else there can be.`;
}

const program = new Command("bin/new-service")
  .description("Makes a service of your own from src/services/template: it runs, is listed, documented and tested.")
  .argument("<name>", "its name in kebab-case, such as order-notes")
  .option<ScalingKind>(
    "--scaling <kind>",
    `how several instances share its work: ${KINDS.join(", ")}; src/services/template/README.md explains them`,
    kindOf,
    "load-balancing",
  )
  .parse();

const [name = ""] = program.args;
try {
  await makeService(name, program.opts<{ scaling: ScalingKind }>().scaling);
  say(nextSteps(name));
} catch (error) {
  report(error);
  process.exitCode = 1;
}
