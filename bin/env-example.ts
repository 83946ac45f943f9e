import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import type { z } from "zod";
import { OWN_SETTINGS } from "#local/own-settings.ts";
import { ROOT } from "#local/root.ts";
import { SERVICES } from "#local/services.ts";
import { generalSchema, OTHER_VARIABLES } from "#shared/config/general.ts";
import { descriptionOf } from "#shared/config/load.ts";

/** The committed file. */
export const ENV_EXAMPLE = resolve(ROOT, ".env.example");

const HEAD = `# Every setting of r3edge-engine with its default. Made by \`bin/bun run env-example\` from the schemas; a test compares them.
#
# Settings come from the environment and, below it, from the one file that R3_SETTINGS_FILE names: copy this one, take the
# "#" away before what you change, and run \`R3_SETTINGS_FILE=.env bin/up\`. An unknown name or a wrong value stops the start,
# with a line for each. An empty value counts as not set. JSON stands on one line, in single quotes.`;

const WIDTH = 118;

/** Every schema there is, with what its group is called. */
export const SETTING_GROUPS: readonly { name: string; settings: z.ZodObject }[] = [
  { name: "Every process", settings: generalSchema },
  ...SERVICES,
  OWN_SETTINGS,
];

/** A default as a line of the file has it; null: there is none. */
export function defaultText(schema: z.core.$ZodType): string | null {
  const { def } = schema._zod;
  if (def.type !== "default") return null;
  const value: unknown = "defaultValue" in def ? def.defaultValue : undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Comment lines of at most `WIDTH` characters. */
function comment(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > WIDTH) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

const entry = (name: string, description: string, value: string): string =>
  `${comment(description)}\n#${name}=${value}`;

function group({ name, settings }: { name: string; settings: z.ZodObject }): string {
  const entries = Object.entries(settings.shape).map(([variable, schema]) =>
    entry(variable, descriptionOf(schema) ?? "", defaultText(schema) ?? ""),
  );
  return [`# --- ${name} ---`, ...entries].join("\n\n");
}

/** The text of .env.example: each setting, commented out, after its description. */
export function envExample(): string {
  const others = Object.entries(OTHER_VARIABLES).map(([name, description]) => entry(name, description, ""));
  const outside = ["# --- In the environment alone ---", ...others].join("\n\n");
  return `${[HEAD, ...SETTING_GROUPS.map(group), outside].join("\n\n\n")}\n`;
}

if (import.meta.main) {
  new Command("env-example").description("Writes .env.example from the settings of all services.").parse();
  writeFileSync(ENV_EXAMPLE, envExample());
}
