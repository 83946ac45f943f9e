import { afterAll, expect, test } from "bun:test";
import { systemClock } from "#shared/clock/system.ts";
import { runInThread } from "./run-in-thread.ts";

const urls: string[] = [];
afterAll(() => {
  for (const url of urls) URL.revokeObjectURL(url);
});

/** What comes of a thread that does this with its `data`. */
function run(code: string, { deadlineMs = 5_000, memoryBytes = 1e9 } = {}) {
  const url = URL.createObjectURL(new Blob([`onmessage = ({ data }) => { ${code} };`], { type: "text/javascript" }));
  urls.push(url);
  return runInThread({ module: new URL(url), input: 20, limits: { deadlineMs, memoryBytes }, clock: systemClock });
}

test("gives the answer of its thread", async () => {
  expect(await run("postMessage(data + 1)")).toEqual({ kind: "answered", answer: 21 });
});

test("ends what does not come back, while others go on", async () => {
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 5);
  const beganMs = performance.now();
  expect(await run("for (;;);", { deadlineMs: 200 })).toEqual({ kind: "late" });
  clearInterval(counting);
  expect(turns).toBeGreaterThan(5);
  expect(performance.now() - beganMs).toBeLessThan(2_000);
  expect(await run("", { deadlineMs: 100 })).toEqual({ kind: "late" });
});

test("ends what takes memory without end", async () => {
  const take = "const held = []; for (;;) held.push(new Uint8Array(1e6).fill(1));";
  expect(await run(take, { memoryBytes: 200_000_000 })).toEqual({ kind: "grown" });
});

test("says that it failed where its thread throws or ends", async () => {
  expect(await run("throw new Error('on purpose')")).toEqual({ kind: "failed" });
  expect(await run("process.exit(0)")).toEqual({ kind: "failed" });
});
