import { describe, expect, test } from "bun:test";
import { LaneRuns } from "./lane-runs.ts";
import type { TaskOutcome } from "./queue.ts";

/** Lanes whose runs end when the test says so. */
function lanes({ concurrency = 2, noJobsMs = 1_000 } = {}) {
  const calls: { lane: string; isAgain: boolean; end: (outcome: TaskOutcome) => void; fail: (error: Error) => void }[] =
    [];
  const at = { nowMs: 0, alone: 0, room: concurrency };
  const runs = new LaneRuns({
    concurrency,
    run: (lane, isAgain) => {
      const { promise, resolve: end, reject: fail } = Promise.withResolvers<TaskOutcome>();
      calls.push({ lane, isAgain, end, fail });
      return promise;
    },
    onRoom: (jobs) => {
      at.room = jobs;
    },
    onNoJobs: () => (at.alone += 1),
    nowMs: () => at.nowMs,
    noJobsMs,
  });
  return { runs, calls, at };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("runs of lanes", () => {
  test("a job looks again at what its hint has done, and comes to the same where nothing more is there", async () => {
    const { runs, calls } = lanes();
    expect(runs.hint("lane", "one")).toBe(true);
    const job = runs.job("lane", "one");
    await tick();
    expect(calls.length).toBe(1);
    calls[0]?.end({ tasks: 1, kind: "approved" });
    await tick();
    expect(calls.map(({ isAgain }) => isAgain)).toEqual([false, true]);
    calls[1]?.end({ tasks: 0 });
    expect(await job).toEqual({ tasks: 1, kind: "approved" });
  });

  test("a job whose hint has been done already looks again too", async () => {
    const { runs, calls } = lanes();
    runs.hint("lane", "one");
    calls[0]?.end({ tasks: 1 });
    await tick();
    const job = runs.job("lane", "one");
    await tick();
    expect(calls[1]?.isAgain).toBe(true);
    calls[1]?.end({ tasks: 2 });
    expect(await job).toEqual({ tasks: 2 });
  });

  test("a hint that found nothing has not done its job's work", async () => {
    const { runs, calls } = lanes();
    runs.hint("lane", "one");
    calls[0]?.end({ tasks: 0 });
    await tick();
    const job = runs.job("lane", "one");
    await tick();
    expect(calls[1]?.isAgain).toBe(false);
    calls[1]?.end({ tasks: 1 });
    expect(await job).toEqual({ tasks: 1 });
  });

  test("a job fails as the run of its hint did, where nothing is left to do", async () => {
    const { runs, calls } = lanes();
    runs.hint("lane", "one");
    calls[0]?.fail(new Error("no"));
    const job = runs.job("lane", "one").catch((error: Error) => error.message);
    await tick();
    calls[1]?.end({ tasks: 0 });
    expect(await job).toBe("no");
  });

  test("a lane never runs twice at once, nor more lanes than there may be", async () => {
    const { runs, calls } = lanes({ concurrency: 2 });
    expect(runs.hint("a", "1")).toBe(true);
    expect(runs.hint("a", "2")).toBe(true);
    void runs.job("b", "3");
    expect(runs.hint("c", "4")).toBe(false);
    void runs.job("c", "4");
    void runs.job("a", "2");
    await tick();
    expect(calls.map(({ lane }) => lane)).toEqual(["a", "b"]);
    calls[0]?.end({ tasks: 1 });
    await tick();
    expect(calls.length).toBe(3);
    calls[1]?.end({ tasks: 1 });
    await tick();
    expect(calls.map(({ lane }) => lane).toSorted()).toEqual(["a", "a", "b", "c"]);
  });

  test("there is room for as many jobs as no hint takes the place of, and one always", async () => {
    const { runs, calls, at } = lanes({ concurrency: 3 });
    for (const lane of ["a", "b", "c"]) runs.hint(lane, lane);
    expect(at.room).toBe(1);
    void runs.job("a", "a");
    expect(at.room).toBe(1);
    void runs.job("b", "b");
    expect(at.room).toBe(2);
    calls[2]?.end({ tasks: 1 });
    await tick();
    expect(at.room).toBe(3);
  });

  test("closing begins no run more, and waits for those there are", async () => {
    const { runs, calls } = lanes({ concurrency: 1 });
    runs.hint("a", "1");
    const parked = runs.job("b", "2").catch((error: Error) => error.message);
    let isClosed = false;
    const closing = runs.close().then(() => {
      isClosed = true;
    });
    expect(runs.hint("c", "3")).toBe(false);
    await tick();
    expect(isClosed).toBe(false);
    calls[0]?.end({ tasks: 1 });
    await closing;
    expect(await parked).toContain("closed before there was room");
    expect(calls.length).toBe(1);
  });

  test("jobs that never come are told of, not those that other processes take", async () => {
    const { runs, calls, at } = lanes();
    const follow = async (times: number) => {
      for (let n = 0; n < times; n += 1) {
        runs.hint(`lane-${calls.length}`, `${calls.length}`);
        calls.at(-1)?.end({ tasks: 1 });
        await tick();
      }
    };
    await follow(30);
    expect(at.alone).toBe(0);
    at.nowMs = 2_000;
    const job = runs.job("lane-29", "29");
    await tick();
    calls.at(-1)?.end({ tasks: 0 });
    await job;
    await follow(5);
    at.nowMs = 4_000;
    await follow(5);
    expect(at.alone).toBe(0);
    await follow(20);
    expect(at.alone).toBe(1);
  });
});
