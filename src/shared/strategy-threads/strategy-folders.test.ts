import { beforeEach, describe, expect, test } from "bun:test";
import { rename, rm } from "node:fs/promises";
import { pino } from "pino";
import { until } from "#shared/clock/until.fixture.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { strategiesOfEachTest } from "./strategies-of-each-test.fixture.ts";
import { barOf, bodyOf, instanceOptionsOf, show } from "./thread-host.fixture.ts";

const at = strategiesOfEachTest();

describe("the strategies of a folder", () => {
  /** What the host said of its files, with which of them. */
  let told: string[];
  beforeEach(() => {
    told = [];
  });
  const watching = (more: Parameters<typeof at.hostWith>[0] = {}) => {
    const write = (line: string) => {
      const { msg, changed } = JSON.parse(line) as { msg: string; changed?: string[] };
      told.push(changed === undefined ? msg : `${msg}: ${changed.join(", ")}`);
    };
    at.hostWith({ reload: true, log: pino({}, { write }), ...more });
  };

  test("are every export of every file, without a list", async () => {
    await at.folder.writeFile("two.ts", `export { strategy } from "./good.ts"; export const other = 1;`);
    await at.folder.write("second", bodyOf(""));
    await at.host.load();
    expect(at.host.list().map(({ name }) => name)).toEqual(["good", "second"]);
  });

  test("of which two have one name are refused with both files", async () => {
    await at.folder.write("twin", bodyOf(""), { name: "good" });
    expect(await failureOf(at.host.load())).toMatch(
      /^SETTINGS_INVALID: Two strategies are named "good", in .*good\.ts and in .*twin\.ts:/,
    );
  });

  test("a folder that is not there is refused", async () => {
    at.hostWith({ folders: [`${at.folder.path}/none`] });
    expect(await failureOf(at.host.load())).toMatch(
      /^SETTINGS_INVALID: There is no folder .*none: R3_STRATEGY_FOLDERS/,
    );
  });

  test("are loaded anew when they change: what runs keeps its version, what begins gets the new one", async () => {
    await at.folder.write("grows", bodyOf("", '"old"'));
    watching();
    const old = await at.host.open(instanceOptionsOf("grows"));
    await show(old, barOf(1));
    await at.folder.write("grows", bodyOf("", '"new"'), { version: "2" });
    await until(() => at.host.find("grows")?.version === "2");
    expect((await show(old, barOf(2))).snapshot?.strategy).toBe("old");
    old.close();
    // Taken up again, as after a failure of the database.
    const again = await at.host.open(instanceOptionsOf("grows"));
    expect((await show(again, barOf(3))).snapshot?.strategy).toBe("old");
    const fresh = await at.host.open(instanceOptionsOf("grows", { version: "2" }));
    expect((await show(fresh, barOf(1))).snapshot?.strategy).toBe("new");
    expect(told).toContain("strategies loaded anew, for sessions and backtests that begin from now on: grows 2");
    // What cannot be taken leaves them as they are.
    await at.folder.write("twin", bodyOf(""), { name: "grows" });
    await until(() => at.host.faults().length === 1);
    expect(at.host.find("grows")?.version).toBe("2");
  });

  test("of a file that cannot be loaded stay as they were last, and the fault is told with its line", async () => {
    await at.folder.write("grows", bodyOf("", '"old"'));
    watching({ threads: 3 });
    const instance = await at.host.open(instanceOptionsOf("grows"));
    const { snapshot } = await show(instance, barOf(1));
    await at.folder.writeFile("grows.ts", "export const fine = 1;\n\nexport const broken = {\n");
    await until(() => at.host.faults().length > 0);
    const fault = "grows.ts cannot be loaded: Expected identifier but found end of file (grows.ts, line 3)";
    expect(at.host.faults()).toEqual([fault]);
    expect(at.host.list().map(({ name, version }) => `${name} ${version}`)).toEqual(["good 1", "grows 1"]);
    expect(await at.host.check({ strategy: "grows", params: {} })).toMatchObject({
      kind: "valid",
      strategyVersion: "1",
    });
    expect(await at.host.check({ strategy: "none", params: {} })).toMatchObject({
      known: ["good", "grows"],
      faults: [fault],
    });
    // In a thread that is made after the change too: a session whose strategy is made anew, and one that begins.
    const again = await at.host.open(instanceOptionsOf("grows", { snapshot }));
    expect((await show(again, barOf(2))).snapshot?.strategy).toBe("old");
    const begun = await at.host.open(instanceOptionsOf("grows", { sessionId: "another" }));
    expect((await show(begun, barOf(1))).snapshot?.strategy).toBe("old");
    // However often the others are saved meanwhile.
    for (let version = 2; version <= 12; version += 1) {
      await at.folder.write("good", bodyOf(""), { version: `${version}` });
      await until(() => at.host.find("good")?.version === `${version}`);
    }
    for (const one of [instance, again, begun]) one.close();
    await at.folder.write("good", bodyOf(""), { version: "13" });
    await until(() => at.host.find("good")?.version === "13");
    const last = await at.host.open(instanceOptionsOf("grows", { sessionId: "last" }));
    expect((await show(last, barOf(1))).snapshot?.strategy).toBe("old");
    await at.folder.write("grows", bodyOf("", '"new"'), { version: "2" });
    await until(() => at.host.find("grows")?.version === "2");
    expect(at.host.faults()).toEqual([]);
  }, 60_000);

  test("that are removed are gone", async () => {
    await at.folder.write("goes", bodyOf(""));
    watching();
    await at.host.load();
    await at.folder.removeFile("goes.ts");
    await until(() => at.host.find("goes") === null);
    expect(at.host.faults()).toEqual([]);
  });

  test.each([
    ["is removed", () => at.folder.remove()],
    ["is moved away", () => rename(at.folder.path, `${at.folder.path}-gone`)],
  ])(
    "stay as they were last when it %s, and that is said; what is there then is taken",
    async (_how, vanish) => {
      watching({ threads: 2 });
      const running = await at.host.open(instanceOptionsOf("good"));
      await show(running, barOf(1));
      await vanish();
      const gone = `There is no folder ${at.folder.path}: R3_STRATEGY_FOLDERS has to name folders of strategies.`;
      await until(() => at.host.faults().includes(gone));
      expect(at.host.list().map(({ name }) => name)).toEqual(["good"]);
      expect(await at.host.check({ strategy: "good", params: {} })).toMatchObject({ kind: "valid" });
      expect((await show(running, barOf(2))).signal).not.toBeNull();
      // In a thread that is made now.
      const begun = await at.host.open(instanceOptionsOf("good", { sessionId: "another" }));
      expect((await show(begun, barOf(1))).signal).not.toBeNull();
      await at.folder.make();
      await at.folder.write("good", bodyOf(""), { version: "2" });
      await until(() => at.host.find("good")?.version === "2");
      expect(at.host.faults()).toEqual([]);
      // It is watched as the one before was.
      await at.folder.write("good", bodyOf(""), { version: "3" });
      await until(() => at.host.find("good")?.version === "3");
      await rm(`${at.folder.path}-gone`, { recursive: true, force: true });
    },
    20_000,
  );

  test("are told as not taken where two have one name, until they have two", async () => {
    watching();
    await at.host.load();
    await at.folder.write("twin", bodyOf(""), { name: "good" });
    await until(() => at.host.faults().length > 0);
    expect(at.host.faults()).toEqual([expect.stringMatching(/^Two strategies are named "good"/)]);
    await at.folder.write("twin", bodyOf(""));
    await until(() => at.host.find("twin") !== null);
    expect(at.host.faults()).toEqual([]);
  });

  test("of which two have one name while it runs are the one that was there, and what is new beside them is taken", async () => {
    watching();
    await at.host.load();
    const before = at.host.find("good");
    await Promise.all([
      at.folder.write("a-twin", bodyOf(""), { name: "good", version: "2" }),
      at.folder.write("one", bodyOf(""), { name: "both" }),
      at.folder.write("two", bodyOf(""), { name: "both" }),
      at.folder.write("z-twin", bodyOf(""), { name: "good", version: "3" }),
      at.folder.write("sound", bodyOf("")),
    ]);
    await until(() => at.host.find("sound") !== null);
    expect(at.host.list().map(({ name }) => name)).toEqual(["good", "sound"]);
    expect(at.host.find("good")).toEqual(before);
    expect(told).toContain("a file of strategies cannot be loaded");
    expect(await failureOf(at.host.open(instanceOptionsOf("both")))).toMatch(
      /There is no strategy "both" here.*Two strategies are named "both", in .*one\.ts and in .*two\.ts: give one of them/,
    );
    await at.folder.removeFile("two.ts");
    await until(() => at.host.find("both") !== null);
  });

  test.each([
    ["throws", '\nthrow new Error("as it loads");', "as it loads (bad.ts, line 2)"],
    ["is none", "const x = ;", "Unexpected ; (bad.ts, line 1)"],
    ["is told of a file beside it", 'import "./beside.ts";', "Unexpected ; (beside.ts, line 3)"],
  ])("of which a file %s are told with its line", async (_what, text, told) => {
    await at.folder.writeFile("bad.ts", text);
    await at.folder.writeFile("beside.ts", "\n\nconst x = ;");
    await at.host.load();
    expect(at.host.faults()[0]).toBe(`bad.ts cannot be loaded: ${told}`);
  });

  test("keep what runs however often they are saved, also where only another one was", async () => {
    await at.folder.write("grows", bodyOf("", '"old"'));
    watching();
    const [old, good] = [await at.host.open(instanceOptionsOf("grows")), await at.host.open(instanceOptionsOf("good"))];
    await show(old, barOf(1));
    for (let version = 2; version <= 12; version += 1) {
      await at.folder.write("grows", bodyOf("", `"${version}"`), { version: `${version}` });
      await until(() => at.host.find("grows")?.version === `${version}`);
    }
    expect((await show(old, barOf(2))).snapshot?.strategy).toBe("old");
    expect(await failureOf(show(good, barOf(1)))).toBe("nothing");
  }, 60_000);

  test("changed under their old version are said to be, and are not taken by what runs when it is made anew", async () => {
    await at.folder.write("grows", bodyOf("", '"old"'));
    watching();
    const instance = await at.host.open(instanceOptionsOf("grows"));
    const { snapshot } = await show(instance, barOf(1));
    await at.folder.write("grows", bodyOf("", '"new"'));
    await until(() =>
      told.includes(
        "strategies have changed under their old version: sessions that run go on with the old code: grows 1",
      ),
    );
    instance.close();
    const again = await at.host.open(instanceOptionsOf("grows", { snapshot }));
    expect((await show(again, barOf(2))).snapshot?.strategy).toBe("old");
    again.close();
    // A new run of the session begins with the new code.
    const fresh = await at.host.open(instanceOptionsOf("grows"));
    expect((await show(fresh, barOf(1))).snapshot?.strategy).toBe("new");
  });

  test("are those saved last, also where the ones before take long to load", async () => {
    await at.folder.write("grows", bodyOf(""));
    watching({ limits: { slowMs: 60_000 } });
    await at.host.load();
    const spin =
      "(() => { let spun = 1; for (let i = 0; i < 3e8; i += 1) spun = (spun * 31 + i) | 0; return spun; })()";
    await at.folder.write("grows", bodyOf(""), {
      version: "2",
      before: `console.log("read"); export const spun = ${spin};`,
    });
    await until(() => told.includes("a strategy printed"));
    await at.folder.write("grows", bodyOf(""), { version: "3" });
    await until(() =>
      [2, 3].every((version) =>
        told.includes(`strategies loaded anew, for sessions and backtests that begin from now on: grows ${version}`),
      ),
    );
    expect(at.host.find("grows")?.version).toBe("3");
  }, 60_000);
});
