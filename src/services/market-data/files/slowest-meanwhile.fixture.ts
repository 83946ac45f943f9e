import { expect } from "bun:test";
import type { Replica } from "#services/market-data/market-data.fixture.ts";

/** The longest time that an answer took while this went on. */
export async function slowestMeanwhile({ ask }: Replica, work: Promise<unknown>): Promise<number> {
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  let slowestMs = 0;
  while (!isOver) {
    const beganMs = performance.now();
    expect((await ask("/quotes")).status).toBe(200);
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    await Bun.sleep(5);
  }
  await ended;
  return slowestMs;
}
