import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { hasCode } from "#shared/errors/app-error.ts";
import { generalSchema } from "./general.ts";
import { descriptionOf, loadSettings, type Variables } from "./load.ts";
import { wholeNumber } from "./values.ts";

const service = {
  name: "things",
  settings: z.object({ R3_THINGS_SPEED: wholeNumber(1, 9).describe("How fast, in things a second").default(3) }),
};
const SECRET = "hunter2";

function faultsOf(variables: Variables): string[] {
  try {
    loadSettings([service], variables);
  } catch (error) {
    if (hasCode(error, "SETTINGS_INVALID"))
      return error.message
        .split("\n")
        .slice(1)
        .map((line) => line.trim());
    throw error;
  }
  return [];
}

describe("settings", () => {
  test("have defaults for everything", () => {
    const settings = loadSettings([service], { HOME: "/nowhere" });
    expect(settings.general.R3_HTTP_PORT).toBe(7_300);
    expect(settings.of(service)).toEqual({ R3_THINGS_SPEED: 3 });
  });

  test("read numbers and JSON from text, and take an empty variable as not set", () => {
    const settings = loadSettings([service], {
      R3_THINGS_SPEED: "7",
      R3_FAILPOINTS: "",
      R3_VENUES: '[{"id":"paper","connector":"binance","restUrl":"http://127.0.0.1:1/x"}]',
    });
    expect(settings.of(service).R3_THINGS_SPEED).toBe(7);
    expect(settings.general.R3_VENUES[0]?.id).toBe("paper");
  });

  test("name every fault at once, with the variable and what it should be, never the value", () => {
    const faults = faultsOf({
      DATABASE_URL: `mysql://${SECRET}@host/db`,
      R3_HTTP_PORT: SECRET,
      R3_THINGS_SPEED: "10",
      R3_ACCOUNTS: `[{"id":"a","venue":"paper","apiKey":"${SECRET}"}]`,
      R3_VENUES: `{${SECRET}`,
      R3_LOG_FORMAT: SECRET,
    });
    expect(faults.map((fault) => fault.split(":")[0] ?? "").toSorted()).toEqual([
      "DATABASE_URL",
      "R3_ACCOUNTS (at 0.secret)",
      "R3_HTTP_PORT",
      "R3_LOG_FORMAT",
      "R3_THINGS_SPEED",
      "R3_VENUES",
    ]);
    expect(faults).toContain("R3_THINGS_SPEED: must be a whole number from 1 to 9. How fast, in things a second");
    expect(faults.join("\n")).not.toContain(SECRET);
  });

  test("refuse two venues or accounts of one id, and a stream's address without the venue's", () => {
    const venue = '{"id":"a","connector":"binance","wsUrl":"ws://127.0.0.1:1/x"}';
    const account = `{"id":"a","venue":"a","apiKey":"${SECRET}","secret":"${SECRET}"}`;
    const faults = faultsOf({ R3_VENUES: `[${venue}]`, R3_ACCOUNTS: `[${account},${account}]` });
    expect(faults).toEqual([
      expect.stringContaining("R3_VENUES (at 0.restUrl): must be given where wsUrl or wsApiUrl is"),
      expect.stringContaining("R3_ACCOUNTS: must have different ids"),
    ]);
    const plain = '{"id":"a","connector":"binance"}';
    expect(faultsOf({ R3_VENUES: `[${plain},${plain}]` })).toEqual([
      expect.stringContaining("R3_VENUES: must have different ids"),
    ]);
  });

  test("speak of what is wrong in the words of the API", () => {
    const faults = faultsOf({
      R3_VENUES: `[{"id":"a","connector":"${SECRET}"},{"id":"b","connector":"binance","listLag":1}]`,
      R3_ACCOUNTS: '[{"id":"a","venue":"a","apiKey":1}]',
      R3_FAILPOINTS: "7",
      R3_LOG_FORMAT: SECRET,
    });
    const known = "id, connector, restUrl, wsUrl, wsApiUrl, marketClock, listLagMs";
    expect(faults).toEqual([
      expect.stringContaining("R3_LOG_FORMAT: must be one of auto, json, pretty. "),
      expect.stringContaining("R3_VENUES (at 0.connector): must be binance. "),
      expect.stringContaining(`R3_VENUES (at 1.listLag): is not known here; known: ${known}. `),
      expect.stringContaining("R3_ACCOUNTS (at 0.apiKey): must be text. "),
      expect.stringContaining("R3_ACCOUNTS (at 0.secret): is missing. "),
      expect.stringContaining("R3_FAILPOINTS: must be a list. "),
    ]);
    expect(faults.join("\n")).not.toContain(SECRET);
  });

  test("refuse a name that no schema knows, and say which one is near", () => {
    expect(faultsOf({ R3_HTTP_PROT: "1" })).toEqual(["R3_HTTP_PROT: is no setting; is R3_HTTP_PORT meant?"]);
    expect(faultsOf({ R3_ZZZZZZZZZZZZZZ: "1" })).toEqual(["R3_ZZZZZZZZZZZZZZ: is no setting"]);
  });

  test("each say what they mean", () => {
    for (const [name, schema] of Object.entries(generalSchema.shape)) {
      expect([name, descriptionOf(schema)]).toEqual([name, expect.stringMatching(/.{10}/)]);
    }
  });
});

describe("the settings file", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "r3-settings-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  test("gives what the environment does not", async () => {
    const file = join(folder, "good.env");
    await Bun.write(file, "# speed\nR3_THINGS_SPEED=5\nR3_HTTP_PORT=8000\n");
    const settings = loadSettings([service], { R3_SETTINGS_FILE: file, R3_HTTP_PORT: "9000" });
    expect(settings.of(service).R3_THINGS_SPEED).toBe(5);
    expect(settings.general.R3_HTTP_PORT).toBe(9_000);
  });

  test("may hold nothing but settings", async () => {
    const file = join(folder, "foreign.env");
    await Bun.write(file, "DATABASE_ULR=postgres://x\n");
    expect(faultsOf({ R3_SETTINGS_FILE: file })).toEqual([
      "DATABASE_ULR: is no setting, and stands in the settings file",
    ]);
  });

  test("may hold no name that every object has", async () => {
    const file = join(folder, "object.env");
    await Bun.write(file, "constructor=1\n");
    expect(faultsOf({ R3_SETTINGS_FILE: file })).toEqual(["R3_SETTINGS_FILE: line 1 names no setting"]);
  });

  test("holds no line that is passed over in silence, nor is such a line ever shown", async () => {
    const file = join(folder, "lines.env");
    await Bun.write(
      file,
      `R3_THINGS_SPEED 5\nR3_HTTP_PORT=x\n# ${SECRET}\n${SECRET}\nR3_LOG_LEVEL='info\n${SECRET}==\n`,
    );
    const faults = faultsOf({ R3_SETTINGS_FILE: file });
    expect(faults.slice(0, 3)).toEqual([
      "R3_SETTINGS_FILE: line 1 is no KEY=value",
      "R3_SETTINGS_FILE: line 4 is no KEY=value",
      "R3_SETTINGS_FILE: line 6 names no setting",
    ]);
    expect(faults.slice(3).map((fault) => fault.split(":")[0])).toEqual(["R3_HTTP_PORT", "R3_LOG_LEVEL"]);
    expect(faults.join("\n")).not.toContain(SECRET);
  });

  test("has to be there", () => {
    expect(faultsOf({ R3_SETTINGS_FILE: join(folder, "none.env") })[0]).toStartWith(
      "R3_SETTINGS_FILE: must name a file",
    );
  });
});
