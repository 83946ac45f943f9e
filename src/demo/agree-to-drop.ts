import { createInterface } from "node:readline";
import { Trouble } from "#local/say.ts";
import type { UpOptions } from "./up-options.ts";

/** The first names of a list, in quotes. */
function shortList(names: readonly string[]): string {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return `${names
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(", ")}${more}`;
}

/** Asks a person, and answers what was typed. Null: nobody is there to be asked. */
export type Ask = ((question: string) => Promise<string>) | null;

/** The person at this terminal. Ctrl-C stays a signal, and the end of the input is an empty answer. */
async function askTerminal(question: string): Promise<string> {
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    // An input that is still read would keep the process from its end.
    process.stdin.destroy();
  }
}

function personHere({ json }: UpOptions): Ask {
  return process.stdin.isTTY && process.stderr.isTTY && !json ? askTerminal : null;
}

/**
 * What a person has made in the data folder goes only where they say so: with --fresh, and once more when they are asked,
 * or by --yes.
 *
 * @throws Trouble that says what to do.
 */
export async function agreeToDrop(
  names: readonly string[],
  options: UpOptions,
  ask: Ask = personHere(options),
): Promise<void> {
  if (names.length === 0 || (options.fresh && options.yes)) return;
  const sessions = shortList(names);
  if (!options.fresh)
    throw new Trouble(
      `A new demo would remove your sessions (${sessions}): \`bin/up\` goes on with them, \`bin/up --fresh\` removes ` +
        "them, and another R3_DATA_FOLDER keeps them apart.",
    );
  if (ask === null)
    throw new Trouble(
      `--fresh would remove your sessions (${sessions}): add --yes to remove them, or leave --fresh out.`,
    );
  const answer = await ask(`--fresh removes your sessions (${sessions}) with their orders and money. Go on? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new Trouble("Nothing was removed; `bin/up` without --fresh goes on with your sessions.");
}
