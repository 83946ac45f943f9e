import { describe, expect, test } from "bun:test";
import pino from "pino";
import { createManualClock } from "#shared/clock/manual.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { createRunner, type Part } from "./runner.ts";
import { watchServers } from "./watch-servers.ts";

const log = pino({ level: "silent" });

function recorded(events: string[], name: string, more: Partial<Part> = {}): Part {
  return { name, start: () => void events.push(`+${name}`), stop: () => void events.push(`-${name}`), ...more };
}

function run(parts: (Part | Part[])[], stopTimeoutMs = 100) {
  const clock = createManualClock();
  return { clock, runner: createRunner({ parts, clock, log, stopTimeoutMs }) };
}

describe("the runner", () => {
  test("starts in order and stops in reverse, once", async () => {
    const events: string[] = [];
    const { runner } = run([recorded(events, "a"), recorded(events, "b")]);
    await runner.start();
    expect(await Promise.all([runner.stop(), runner.stop()])).toEqual([[], []]);
    expect(events).toEqual(["+a", "+b", "-b", "-a"]);
  });

  test("stops those of a list together, after what was started behind them", async () => {
    const events: string[] = [];
    const [slow, free] = [recorded(events, "b"), Promise.withResolvers<void>()];
    const waiting = { ...slow, stop: () => free.promise.then(() => void events.push("-b")) };
    const { runner } = run([recorded(events, "a"), [waiting, recorded(events, "c")], recorded(events, "d")]);
    await runner.start();
    const stopped = runner.stop();
    await until(() => events.length >= 6);
    expect(events).toEqual(["+a", "+b", "+c", "+d", "-d", "-c"]);
    free.resolve();
    expect(await stopped).toEqual([]);
    expect(events.slice(6)).toEqual(["-b", "-a"]);
  });

  test("stops what was begun when a start fails, the failed one too", async () => {
    const events: string[] = [];
    const failing = recorded(events, "b", { start: () => Promise.reject(new Error("no disk")) });
    const { runner } = run([recorded(events, "a"), failing, recorded(events, "c")]);
    expect(await runner.start().catch((error: Error) => error.message)).toBe("no disk");
    expect(events).toEqual(["+a", "-b", "-a"]);
  });

  test("goes on to the next when one hangs or fails in its stop, and names them", async () => {
    const events: string[] = [];
    const hanging = recorded(events, "b", { stop: () => new Promise<void>(() => undefined) });
    const failing = recorded(events, "c", { stop: () => Promise.reject(new Error("no")) });
    const { runner, clock } = run([recorded(events, "a"), hanging, failing]);
    await runner.start();
    const stopped = runner.stop();
    await clock.advance(100);
    expect(await stopped).toEqual(["c", "b"]);
    expect(events).toEqual(["+a", "+b", "+c", "-a"]);
  });

  test("breaks a start off when it is stopped meanwhile", async () => {
    const events: string[] = [];
    const slow = recorded(events, "a", {
      start: (signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")))),
    });
    const { runner } = run([slow, recorded(events, "b")]);
    const started = runner.start();
    await runner.stop();
    await started;
    expect(events).toEqual(["-a"]);
  });
});

describe("the watch over servers", () => {
  test("refuses to start without them, and later says which are away", async () => {
    const clock = createManualClock();
    let up = false;
    const write = () => (up ? Promise.resolve() : Promise.reject(refusal));
    const refusal = new AppError("DATABASE_UNAVAILABLE", "outage", "The database is not available.", {
      cause: new Error("connection refused"),
    });
    const watch = watchServers({ servers: [{ name: "Postgres", setting: "DATABASE_URL", write }], clock, log });
    const refused = Promise.resolve(watch.start?.(AbortSignal.abort())).catch((error: Error) => error.message);
    expect(await refused).toBe("Postgres, which DATABASE_URL names, cannot be used: connection refused.");
    up = true;
    await watch.start?.(new AbortController().signal);
    up = false;
    await clock.advance(2_000);
    expect(watch.away()).toEqual(["Postgres (connection refused)"]);
    up = true;
    await clock.advance(2_000);
    expect(watch.away()).toEqual([]);
    await watch.stop?.();
    expect(clock.sleeping).toBe(0);
  });

  test("wait at the start for one that says that it comes up, also where it is silent for a while, and for a minute at most", async () => {
    const clock = createManualClock();
    const outage = (reason: string, code: string) =>
      new AppError("DATABASE_UNAVAILABLE", "outage", "Away.", { cause: new Error(reason), details: { code } });
    const recovers = outage("the database system is in recovery mode", "57P03");
    const answers: (AppError | null)[] = [recovers, outage("refused", "ECONNREFUSED"), recovers, null];
    let asked = 0;
    const write = async () => {
      const answer = answers[Math.min(asked++, answers.length - 1)] ?? null;
      if (answer !== null) throw answer;
    };
    const begin = () => {
      asked = 0;
      const watch = watchServers({ servers: [{ name: "Postgres", setting: "DATABASE_URL", write }], clock, log });
      const started = Promise.resolve(watch.start?.(new AbortController().signal)).then(
        () => "started",
        (error: Error) => error.message,
      );
      return { watch, started };
    };
    const first = begin();
    await clock.advance(2_000);
    expect([await first.started, asked]).toEqual(["started", 4]);
    await first.watch.stop?.();
    answers.pop();
    const second = begin();
    await clock.advance(61_000);
    expect(await second.started).toBe(
      "Postgres, which DATABASE_URL names, cannot be used: the database system is in recovery mode.",
    );
    await second.watch.stop?.();
    answers.splice(0, 1);
    expect(await begin().started).toBe("Postgres, which DATABASE_URL names, cannot be used: refused.");
    expect(clock.sleeping).toBe(0);
  });

  test("says of a server that nobody has named that it was looked for at the default", async () => {
    const clock = createManualClock();
    const write = () => Promise.reject(new AppError("DATABASE_UNAVAILABLE", "outage", "It is away."));
    const watch = watchServers({
      servers: [{ name: "Postgres", setting: "DATABASE_URL", isDefault: true, write }],
      clock,
      log,
    });
    const refused = Promise.resolve(watch.start?.(AbortSignal.abort())).catch((error: Error) => error.message);
    expect(await refused).toBe(
      "Postgres is looked for where the default of DATABASE_URL says, and cannot be used there: It is away. Set DATABASE_URL; `bin/up` starts one of its own.",
    );
  });

  test("asks now and then whether a server is still set as it has to be, and with each write until it is again", async () => {
    const clock = createManualClock();
    const at = { asked: 0, fits: true };
    const told = "It forgets.";
    const fits = async () => {
      at.asked += 1;
      if (!at.fits) throw new AppError("SETTINGS_INVALID", "permanent", told);
    };
    const write = () => Promise.resolve();
    const watch = watchServers({ servers: [{ name: "Redis", setting: "REDIS_URL", write, fits }], clock, log });
    await watch.start?.(new AbortController().signal);
    at.fits = false;
    await clock.advance(28_000);
    expect([at.asked, watch.away()]).toEqual([1, []]);
    await clock.advance(2_000);
    expect([at.asked, watch.away()]).toEqual([2, ["Redis (It forgets)"]]);
    await clock.advance(4_000);
    expect([at.asked, watch.away()]).toEqual([4, ["Redis (It forgets)"]]);
    at.fits = true;
    await clock.advance(2_000);
    expect([at.asked, watch.away()]).toEqual([5, []]);
    await clock.advance(28_000);
    expect(at.asked).toBe(5);
    await watch.stop?.();
  });

  test("counts a server that hangs as away", async () => {
    const clock = createManualClock();
    const watch = watchServers({
      servers: [{ name: "Redis", setting: "REDIS_URL", write: () => new Promise<void>(() => undefined) }],
      clock,
      log,
    });
    const started = Promise.resolve(watch.start?.(new AbortController().signal));
    const refused = started.then(
      () => "started",
      (error: Error) => error.message,
    );
    await clock.advance(3_000);
    expect(await refused).toBe("Redis, which REDIS_URL names, cannot be used: no answer within 3000 ms.");
  });
});
