import { describe, expect, test } from "bun:test";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { strategiesOfEachTest } from "./strategies-of-each-test.fixture.ts";
import type { StrategyInstance } from "./strategy-host.ts";
import { barOf, bodyOf, instanceOptionsOf, show } from "./thread-host.fixture.ts";

const at = strategiesOfEachTest();

/** Whether the engine has other strategies checked, three times, before this work is over. */
async function checksDuring(work: Promise<unknown>): Promise<boolean> {
  let over = false;
  void work.finally(() => {
    over = true;
  });
  for (let n = 0; n < 3; n += 1) await at.host.check({ strategy: "good", params: {} });
  return !over;
}

describe("a strategy that does not come back", () => {
  test.each([
    ["an endless loop", "if (bar.n === 2) for (;;);"],
    [
      "promises that go on for ever",
      "if (bar.n === 2) { const again = () => Promise.resolve().then(again); again(); }",
    ],
  ])("(%s) ends its thread and fails alone, by candle and budget; the engine's loop goes on", async (_what, onBar) => {
    await at.folder.write("bad", bodyOf(onBar));
    const good = await at.host.open(instanceOptionsOf("good"));
    const bad = await at.host.open(instanceOptionsOf("bad"));
    await show(bad, barOf(1));
    const both = Promise.all([failureOf(show(bad, barOf(2))), failureOf(show(good, barOf(1)))]);
    expect(await checksDuring(both)).toBe(true);
    const told =
      "The strategy did not come back from candle 2 (close 1970-01-01T00:03:00.000Z) within its budget of 300 ms; its thread was ended.";
    expect(await both).toEqual([`STRATEGY_FAILED: ${told}`, `THREAD_ENDED: ${told}`]);
    // The other one begins anew in another thread.
    const again = await at.host.open(instanceOptionsOf("good"));
    expect((await show(again, barOf(1))).signal).toMatchObject({ at: 0, intent: { kind: "enter" } });
  });

  test("holds up sessions of other strategies for one budget, however many do the same", async () => {
    at.hostWith({ limits: { slowMs: 1_500 } });
    await at.folder.write("bad", bodyOf("if (bar.n >= 2) for (;;);"));
    const open = (strategy: string, index: number) =>
      at.host.open(instanceOptionsOf(strategy, { sessionId: `${strategy} ${index}` }));
    const ended: string[] = [];
    /** Who was in a thread that ended begins anew, as a session does. */
    const work = async (strategy: string, index: number, first: StrategyInstance): Promise<void> => {
      for (let instance = first; ; instance = await open(strategy, index)) {
        const failure = await failureOf(show(instance, barOf(2)));
        if (failure.startsWith("THREAD_ENDED")) continue;
        ended.push(`${strategy} ${failure.split(":")[0]}`);
        return;
      }
    };
    const named = ["good", "bad", "bad", "bad", "bad", "good", "good"];
    const instances = await Promise.all(named.map(open));
    await Promise.all(instances.map((instance) => show(instance, barOf(1))));
    await Promise.all(named.map((strategy, index) => work(strategy, index, instances[index] as StrategyInstance)));
    // The first of a thread that was not ended yet is not waited for by anyone.
    const good = ended.filter((one) => one.startsWith("good"));
    expect(good).toEqual(["good nothing", "good nothing", "good nothing"]);
    expect(ended.filter((one) => one === "bad STRATEGY_FAILED")).toHaveLength(4);
    expect(ended.slice(0, 4).toSorted()).toEqual(["bad STRATEGY_FAILED", ...good]);
  });

  test("has longer for its first bar and for each bar of its warm-up", async () => {
    const spin = "let spun = 1; for (let i = 0; i < 3e8; i += 1) spun = (spun * 31 + i) | 0; kept[0] = spun;";
    await at.folder.write("slow", bodyOf(spin, "kept"), { before: "const kept = [0];" });
    at.hostWith({ limits: { barMs: 20 } });
    const instance = await at.host.open(instanceOptionsOf("slow"));
    await show(instance, barOf(1));
    expect(await failureOf(show(instance, barOf(2)))).toContain(
      "candle 2 (close 1970-01-01T00:03:00.000Z) within its budget of 20 ms",
    );
    const warming = await at.host.open(instanceOptionsOf("slow"));
    const warmUp = { mode: "none", size: "0", busy: false, warmUp: true } as const;
    expect(await failureOf(warming.onBars({ bars: [barOf(1), barOf(2)], ...warmUp }))).toBe("nothing");
  });

  test.each([
    [
      "after a bar",
      " after candle 1 (close 1970-01-01T00:02:00.000Z)",
      async (instance: StrategyInstance) => show(instance, barOf(1)),
    ],
    ["at the begin of a warm-up", "", (instance: StrategyInstance) => show(instance)],
  ])("from its snapshot (%s) fails alone", async (_when, after, ask) => {
    at.hostWith({ limits: { slowMs: 2_000 } });
    await at.folder.write("bad", bodyOf("", "(() => { for (;;); })()"));
    const good = await at.host.open(instanceOptionsOf("good"));
    const bad = await at.host.open(instanceOptionsOf("bad"));
    const both = await Promise.all([failureOf(ask(bad)), failureOf(show(good, barOf(1)))]);
    const told = `The strategy did not come back from its snapshot()${after} within its budget of 2000 ms; its thread was ended.`;
    expect(both).toEqual([`STRATEGY_FAILED: ${told}`, `THREAD_ENDED: ${told}`]);
  });

  test("as it is loaded or its parameters are checked leaves the others as they are", async () => {
    at.hostWith({ limits: { slowMs: 700 } });
    await at.folder.write("loops", bodyOf(""), { before: "for (;;);" });
    await at.folder.write("asks", bodyOf(""), { params: "z.strictObject({}).refine(() => { for (;;); })" });
    await at.host.load();
    expect(at.host.list().map(({ name }) => name)).toEqual(["asks", "good"]);
    expect(await failureOf(at.host.open(instanceOptionsOf("loops")))).toMatch(
      /no strategy "loops" here\. loops\.ts cannot be loaded: The strategy did not come back from its code being loaded/,
    );
    const [asked, good] = await Promise.all([
      at.host.check({ strategy: "asks", params: {} }),
      at.host.check({ strategy: "good", params: {} }),
    ]);
    expect(asked).toMatchObject({ kind: "invalid-params", errors: [{ field: "strategy" }] });
    expect(good).toMatchObject({ kind: "valid" });
  });
});

describe("what a strategy does late or gives wrong fails the request with a sentence", () => {
  test.each([
    [
      "an asynchronous onBar",
      "({ async onBar() {}, snapshot: () => null, restore() {} })",
      "failed at candle 1 (close 1970-01-01T00:02:00.000Z): Its onBar is asynchronous",
    ],
    ["a wish with a size", bodyOf("(context as any).wantLong(0.5)"), "A wish takes nothing"],
    ["a global of its own", bodyOf("(globalThis as any).count = 1"), "object that is not extensible"],
    [
      "a change of its context",
      bodyOf("(context as any).position = 1"),
      "failed at candle 1 (close 1970-01-01T00:02:00.000Z): Attempted to assign to readonly property",
    ],
    [
      "NaN in a snapshot",
      bodyOf("", "{ a: [1, Number.NaN] }"),
      "could not be saved after candle 1 (close 1970-01-01T00:02:00.000Z): its snapshot.a[1] is NaN",
    ],
    ["a map in a snapshot", bodyOf("", "{ a: new Map() }"), "its snapshot.a is a Map"],
    ["no value in a snapshot", bodyOf("", "{ a: undefined }"), "its snapshot.a is undefined"],
    ["a circle in a snapshot", bodyOf("", "(() => { const a: any = {}; a.a = a; return a; })()"), "goes on for ever"],
  ])("%s", async (_what, body, told) => {
    await at.folder.write("bad", body);
    const [good, instance] = [
      await at.host.open(instanceOptionsOf("good")),
      await at.host.open(instanceOptionsOf("bad")),
    ];
    expect(await failureOf(show(instance, barOf(1)))).toMatch(new RegExp(`^STRATEGY_FAILED: .*${RegExp.escape(told)}`));
    // Its thread goes on, with who was in it before.
    expect(await failureOf(show(good, barOf(1)))).toBe("nothing");
  });

  test("what it throws names candle, file and line", async () => {
    await at.folder.write("bad", bodyOf('throw new Error("on purpose")'));
    const instance = await at.host.open(instanceOptionsOf("bad"));
    expect(await failureOf(show(instance, barOf(7)))).toBe(
      "STRATEGY_FAILED: The strategy failed at candle 7 (close 1970-01-01T00:08:00.000Z): on purpose (bad.ts, line 6)",
    );
  });
});

describe("what is thrown and is no Error is said in words, with its candle", () => {
  const candle = "candle 3 (close 1970-01-01T00:04:00.000Z)";
  test.each([
    ["throw 1", "it threw 1, which is no Error"],
    ['throw "in words"', "in words"],
    ["throw undefined", "it threw undefined, which is no Error"],
    ["throw { a: 1 }", "it threw {\n  a: 1,\n}, which is no Error"],
    ["throw Object.create(null)", "it threw"],
    ["throw new RangeError()", "RangeError (bad.ts, line 6)"],
    ["throw new Proxy({}, { get: () => 1 })", "it threw"],
    ["throw new Proxy(new Error(), { get: () => 1 })", "it threw what cannot be read"],
    [
      "throw new Proxy({}, { get: () => { throw 1; }, getPrototypeOf: () => { throw 1; } })",
      "it threw what cannot be read",
    ],
  ])("%s", async (code, told) => {
    await at.folder.write("bad", bodyOf(`${code};`));
    const [good, instance] = [
      await at.host.open(instanceOptionsOf("good")),
      await at.host.open(instanceOptionsOf("bad")),
    ];
    const failure = await failureOf(show(instance, barOf(3)));
    expect(failure).toStartWith(`STRATEGY_FAILED: The strategy failed at ${candle}: ${told}`);
    expect(await failureOf(show(good, barOf(1)))).toBe("nothing");
  });
});

describe("what would make a strategy depend on more than its bars is refused", () => {
  test.each([
    ["Math.random()", "Math.random is refused in a strategy; use context.random()"],
    ["Date.now()", "Date.now is refused in a strategy; use context.nowMs"],
    ["void new Date().getTime()", "new Date() is refused"],
    ["Date()", "Date() is refused"],
    ["performance.now()", "performance is refused"],
    ['void fetch("http://localhost/")', "fetch is refused"],
    ['new WebSocket("ws://localhost/")', "WebSocket is refused"],
    ["setTimeout(() => {}, 1)", "setTimeout is refused"],
    ["crypto.randomUUID()", "crypto is refused"],
    ["process.env.HOME", "process is refused"],
    ['new Worker("data:,")', "Worker is refused"],
    ["Temporal.Now.instant()", "Temporal is refused"],
    ["new Intl.DateTimeFormat().format()", "Intl.DateTimeFormat without a date is refused"],
    ["new Intl.DateTimeFormat().formatToParts()", "Intl.DateTimeFormat without a date is refused"],
    ["AbortSignal.timeout(30).onabort = () => { throw new Error(); }", "AbortSignal.timeout is refused"],
    ["new MessageChannel()", "MessageChannel is refused"],
    ["(Atomics as any).waitAsync()", "Atomics.waitAsync is refused"],
  ])("%s, as it runs", async (code, told) => {
    await at.folder.write("bad", bodyOf(`${code};`));
    const instance = await at.host.open(instanceOptionsOf("bad"));
    expect(await failureOf(show(instance, barOf(1)))).toContain(`NOT_DETERMINISTIC: ${told}`);
  });

  test.each([
    ['import { readFileSync } from "node:fs"; void readFileSync;', 'The import of "node:fs" is refused'],
    ['import { decimal } from "#shared/domain/decimal.ts"; void decimal;', "is refused in a strategy; it may import"],
    ["const version = Bun.version; void version;", "Bun is refused"],
    ['const load = () => import("./good.ts"); void load;', "import() is refused"],
    ["const where = import.meta.dir; void where;", "import.meta is refused"],
    ["const text = `${Bun.nanoseconds()}`; void text;", "Bun is refused"],
    ["const where = `${import.meta.dir}`; void where;", "import.meta is refused"],
    ['const quote = /"/; const at = Bun.nanoseconds(); void [quote, at, /"/];', "Bun is refused"],
    ["const at = globalThis.Bun.nanoseconds(); void at;", "Bun is refused"],
    ["const x = ;", "cannot be loaded"],
    ['throw new Error("as it loads");', "as it loads"],
  ])("%s, before it is loaded", async (before, told) => {
    await at.folder.write("bad", bodyOf(""), { before });
    expect(await failureOf(at.host.open(instanceOptionsOf("bad")))).toContain(told);
    expect(at.host.list().map(({ name }) => name)).toEqual(["good"]);
  });

  test("a word in a text or a comment is none of it", async () => {
    await at.folder.write("fine", bodyOf(""), {
      before:
        '// Bun, import("x")\nexport const text = "Bun and import.meta";\nexport const own = { Bun: `of ${text}` }.Bun;',
    });
    expect(await failureOf(at.host.open(instanceOptionsOf("fine")))).toBe("nothing");
  });

  test("a date of a bar, and what a file beside it exports, are not", async () => {
    await at.folder.writeFile("own.ts", "export const two = 2;");
    const days = "class Day extends Date { twice() { return two * this.getTime(); } }";
    const said = `[new Day(21).twice(), new Intl.DateTimeFormat("en", { timeZone: "UTC" }).format(0)]`;
    await at.folder.write("fine", bodyOf("new Date(bar.closeAtMs).toISOString()", said), {
      before: `import { two } from "./own.ts"; ${days}`,
    });
    const instance = await at.host.open(instanceOptionsOf("fine"));
    expect((await show(instance, barOf(1))).snapshot?.strategy).toEqual([42, "1/1/1970"]);
  });
});

describe("memory", () => {
  /** Keeps 8 MB of each bar. */
  const GATHERS =
    "(() => { const all: number[][] = []; return { onBar() { all.push(new Array(1e6).fill(1.5)); }, snapshot: () => null, restore() {} }; })()";

  test("of one bar that never stops eating: its thread is ended, and the fault says so", async () => {
    await at.folder.write(
      "eats",
      bodyOf("if (bar.n === 2) for (const all: number[][] = [];;) all.push(new Array(1e5).fill(1.5));"),
    );
    at.hostWith({ limits: { barMs: 20_000, memoryBytes: 2e8 } });
    const instance = await at.host.open(instanceOptionsOf("eats"));
    await show(instance, barOf(1));
    expect(await failureOf(show(instance, barOf(2)))).toMatch(
      /^STRATEGY_FAILED: The process grew by more than 200 MB while the strategy was at candle 2 \(close 1970-01-01T00:03:00\.000Z\); its thread was ended\./,
    );
  }, 30_000);

  test("that one session gathers bar by bar: it is known among others by what it holds", async () => {
    await at.folder.write("gathers", GATHERS);
    at.hostWith({ limits: { memoryBytes: 1e8 } });
    const [one, , good] = [
      await at.host.open(instanceOptionsOf("gathers")),
      await at.host.open(instanceOptionsOf("good")),
      await at.host.open(instanceOptionsOf("good")),
    ];
    let told = "nothing";
    for (let n = 1; told === "nothing" && n < 200; n += 1) told = await failureOf(show(one, barOf(n)));
    expect(told).toMatch(
      /^STRATEGY_FAILED: The strategy holds \d+ MB of memory\. Its thread held \d+ MB, more than 100 MB/,
    );
    expect(await failureOf(show(good, barOf(1)))).toMatch(/^THREAD_ENDED: /);
  }, 30_000);

  test("gathered within one request of many bars: it is known before the request ends", async () => {
    await at.folder.write("gathers", GATHERS);
    at.hostWith({ limits: { memoryBytes: 1e8 } });
    const [one, good] = [
      await at.host.open(instanceOptionsOf("gathers")),
      await at.host.open(instanceOptionsOf("good")),
    ];
    await show(good, barOf(1));
    const bars = Array.from({ length: 400 }, (_, index) => barOf(index + 1));
    const both = await Promise.all([failureOf(show(one, ...bars)), failureOf(show(good, barOf(2)))]);
    expect(both[0]).toMatch(
      /^STRATEGY_FAILED: The strategy's thread held \d+ MB at candle \d+ \(close [^)]+\), more than 100 MB, /,
    );
    expect(both[1]).toMatch(/^THREAD_ENDED: /);
  }, 30_000);

  test("that is garbage at once is nobody's", async () => {
    await at.folder.write("churns", bodyOf("last[0] = new Array(1e6).fill(bar.n)", "last.length"), {
      before: "const last: number[][] = [];",
    });
    at.hostWith({ limits: { memoryBytes: 1e8 } });
    const instance = await at.host.open(instanceOptionsOf("churns"));
    const bars = Array.from({ length: 500 }, (_, index) => barOf(index + 1));
    expect(await failureOf(show(instance, ...bars))).toBe("nothing");
  }, 30_000);

  test("that no session holds, as of a variable of a file: who is to blame is found in threads apart", async () => {
    await at.folder.write("shares", bodyOf("all.push(new Array(1e6).fill(1.5))"), {
      before: "const all: number[][] = [];",
    });
    at.hostWith({ limits: { memoryBytes: 1e8 } });
    const open = (name: string, of: string) => at.host.open(instanceOptionsOf(name, { sessionId: of }));
    const names = ["good", "good", "shares", "good"];
    const instances = await Promise.all(names.map((name, index) => open(name, `session ${index}`)));
    const endOf = async (instance: StrategyInstance) => {
      let told = "nothing";
      for (let n = 1; told === "nothing" && n < 200; n += 1) told = await failureOf(show(instance, barOf(n)));
      return told;
    };
    expect(await endOf(instances[2] as StrategyInstance)).toMatch(
      /^THREAD_ENDED: .*can not be known yet whose it was of good, shares: they/,
    );
    for (const instance of instances) instance.close();
    const [good, , culprit] = await Promise.all(names.map((name, index) => open(name, `session ${index}`)));
    expect(await endOf(culprit as StrategyInstance)).toMatch(
      /^STRATEGY_FAILED: The strategy keeps memory outside of its session, as in a variable of its file\. Its thread held/,
    );
    // Who was with it goes on.
    expect(await failureOf(show(good as StrategyInstance, barOf(1)))).toBe("nothing");
  }, 60_000);
});

describe("random numbers", () => {
  test("come out the same in every session of the same parameters, and go on after a snapshot", async () => {
    const draws =
      "(() => { let last = 0; return { onBar(_bar, context) { last = context.random(); }, snapshot: () => last, restore() {} }; })()";
    await at.folder.write("draws", draws, { params: "z.strictObject({ a: z.number().default(1) })" });
    const valueOf = async (more: object, ...ns: number[]) => {
      const instance = await at.host.open(instanceOptionsOf("draws", more));
      const { snapshot } = await show(instance, ...ns.map((n) => barOf(n)));
      return snapshot;
    };
    const [two, three] = [await valueOf({}, 1, 2), await valueOf({}, 1, 2, 3)];
    expect(await valueOf({ snapshot: two }, 3)).toEqual(three as never);
    expect((await valueOf({ params: { a: 2 } }, 1, 2, 3))?.strategy).not.toBe(three?.strategy);
  });
});
