import { afterEach, describe, expect, jest, test } from "bun:test";
import { join } from "node:path";
import { environment } from "./environment.ts";
import { inLines, withSpinner } from "./show-step.ts";

const SAY = JSON.stringify(join(import.meta.dir, "say.ts"));

/** What a program that uses say.ts writes into a pipe. */
async function piped(source: string, env: Record<string, string> = {}): Promise<string> {
  const program = `import { beInterrupted, closingStep, exitAfter, step, Trouble } from ${SAY};\n${source}`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: environment(env),
    stderr: "pipe",
    timeout: 10_000,
  });
  await child.exited;
  return await new Response(child.stderr).text();
}

describe("a step off a terminal", () => {
  test("is one line without colour once it is done, and says how far it came", async () => {
    const source = 'await step("Bars", (line) => { line.say("bar 1"); line.say("bar 2"); return Promise.resolve(); });';
    expect(await piped(source)).toMatch(/^✔ Bars: bar 2 \(\d\.\d s\)\n$/);
  });

  test("that fails is marked so, and its error is thrown on", async () => {
    const source =
      'await step("Redis", () => Promise.reject(new Error("away"))).catch((error) => console.error(error.message));';
    expect(await piped(source)).toMatch(/^✖ Redis \(\d\.\d s\)\naway\n$/);
  });

  test("that was interrupted has not failed, and nothing follows it but the end", async () => {
    const source = `const never = () => console.error("never");
      const stopped = Promise.withResolvers();
      void step("Bars", () => stopped.promise).finally(never);
      beInterrupted();
      stopped.reject(new Error("Stopped."));
      void step("Next", never).finally(never);
      await closingStep("Everything stopped", () => Bun.sleep(1));`;
    expect(await piped(source)).toMatch(/^■ Bars \(interrupted after \d\.\d s\)\n✔ Everything stopped \(\d\.\d s\)\n$/);
  });

  test("says nothing of what falls over while everything is ended", async () => {
    const source = `void step("Database migrated", () => new Promise(() => {}));
      beInterrupted();
      setImmediate(() => { throw new TypeError("null is not an object (evaluating 'socket.write')"); });
      void Promise.reject(new Error("CONNECTION_ENDED"));
      await closingStep("Everything stopped", () => Bun.sleep(50));
      console.error("goes on");`;
    expect(await piped(source)).toMatch(
      /^■ Database migrated \(interrupted after \d\.\d s\)\n✔ Everything stopped \(\d\.\d s\)\ngoes on\n$/,
    );
  });

  test("that ends badly after an interruption says so, and the exit code is 1", async () => {
    const source = `beInterrupted();
      process.once("exit", (code) => console.error(code));
      void exitAfter(closingStep("Everything stopped", () => Promise.reject(new Trouble("It stays."))));`;
    expect(await piped(source)).toMatch(/^✖ Everything stopped \(\d\.\d s\)\nIt stays\.\n1\n$/);
  });

  test("says what falls over where nothing was interrupted", async () => {
    expect(await piped("setImmediate(() => { throw new TypeError('null'); }); await Bun.sleep(50);")).toContain(
      "TypeError",
    );
  });
});

describe("a long step in a log", () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test("is never silent for long, and says nothing while it is quick", () => {
    jest.useFakeTimers();
    const lines: string[] = [];
    const shown = inLines("Bars", (line) => lines.push(line));
    jest.advanceTimersByTime(14_000);
    expect(lines).toEqual([]);
    jest.advanceTimersByTime(2_000);
    shown.say("bar 7");
    jest.advanceTimersByTime(15_000);
    shown.end();
    jest.advanceTimersByTime(60_000);
    expect(lines.map((line) => line.replace(/[\d.]+ s/, "N s"))).toEqual([
      "- Bars (N s so far)",
      "- Bars: bar 7 (N s so far)",
    ]);
  });
});

describe("the spinner", () => {
  const own = Object.fromEntries(
    ["isTTY", "columns"].map((name) => [
      name,
      Object.getOwnPropertyDescriptor(process.stderr, name) ?? { value: undefined },
    ]),
  );
  afterEach(() => {
    Object.defineProperties(process.stderr, own);
  });

  test("is not used on a terminal that does not know its width: it would never return", () => {
    Object.defineProperties(process.stderr, {
      isTTY: { value: true, configurable: true },
      columns: { value: 0, configurable: true },
    });
    expect(withSpinner("Postgres")).toBeNull();
  });
});
