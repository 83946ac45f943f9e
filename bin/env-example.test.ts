import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { OWN_SETTINGS } from "#local/own-settings.ts";
import { ROOT } from "#local/root.ts";
import { SERVICES } from "#local/services.ts";
import { descriptionOf, loadSettings } from "#shared/config/load.ts";
import { defaultText, ENV_EXAMPLE, envExample, SETTING_GROUPS } from "./env-example.ts";

const committed = readFileSync(ENV_EXAMPLE, "utf8");
const linesOf = (text: string): Set<string> => new Set(text.split("\n"));

describe(".env.example", () => {
  test("has every known setting with its description and default, and no other; else `bin/bun run env-example` mends it", () => {
    const [wanted, found] = [linesOf(envExample()), linesOf(committed)];
    expect({ toAdd: [...wanted.difference(found)], toRemove: [...found.difference(wanted)] }).toEqual({
      toAdd: [],
      toRemove: [],
    });
    expect(committed).toBe(envExample());
  });

  test("gives, with every line in force, what the schemas give without it", () => {
    const inForce = committed.replace(/^#(?=[A-Z])/gm, "");
    const all = [...SERVICES, OWN_SETTINGS];
    const [told, silent] = [loadSettings(all, parseEnv(inForce)), loadSettings(all, {})];
    expect(told.general).toEqual(silent.general);
    for (const one of all) expect({ [one.name]: told.of(one) }).toEqual({ [one.name]: silent.of(one) });
    expect(Object.keys(parseEnv(inForce))).toContain("R3_RISK_MANAGER_CONCURRENCY");
  });
});

/** How a setting's name ends, and what its description has to say then. */
const UNITS: Readonly<Record<string, RegExp>> = {
  MS: /milliseconds/i,
  BYTES: /bytes/,
  URL: /URL/,
  PORT: /Port/,
  FOLDER: /Folder/,
};

describe("a setting", () => {
  const settings = SETTING_GROUPS.flatMap((group) => Object.entries(group.settings.shape));

  test("says what it means, in its unit", () => {
    for (const [name, schema] of settings) {
      const unit = UNITS[name.split("_").at(-1) ?? ""] ?? /./;
      expect([name, descriptionOf(schema)]).toEqual([name, expect.stringMatching(/^.{15}/)]);
      expect([name, descriptionOf(schema)]).toEqual([name, expect.stringMatching(unit)]);
    }
  });

  test("without a default says what holds then", () => {
    const open = settings.filter(([, schema]) => defaultText(schema) === null);
    for (const [name, schema] of open)
      expect([name, descriptionOf(schema)]).toEqual([name, expect.stringContaining("Default: ")]);
  });
});

test("the settings of docs/first-session.md are valid", async () => {
  const guide = await Bun.file(`${ROOT}/docs/first-session.md`).text();
  const blocks = [...guide.matchAll(/```settings\n([^`]+)```/g)].map((match) => match[1] ?? "");
  expect(blocks).toHaveLength(2);
  for (const block of blocks) expect(() => loadSettings([...SERVICES, OWN_SETTINGS], parseEnv(block))).not.toThrow();
});
