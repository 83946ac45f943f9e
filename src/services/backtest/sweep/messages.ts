import { z } from "zod";
import { defineTask } from "#shared/messages/tasks.ts";

/** Runs a part of a sweep: some of its runs, one after the other. Lane: the part, so that as many workers as there are share a sweep. */
export const RUN_SWEEP = defineTask({
  queue: "backtest",
  type: "run-sweep",
  lane: "sweepId:part",
  payload: z.object({ sweepId: z.string(), part: z.number().int().nonnegative() }),
  onDead: "skip",
  // A sweep that is resumed locks its row behind its lanes, as its workers do.
  locksAtOnce: true,
  // A worker puts a part back long before (work.ts); a single run ends at R3_BACKTEST_DEADLINE_S.
  deadlineMs: 86_400_000,
});

/** The lane of a part. */
export function laneOf(sweepId: string, part: number): string {
  return `${sweepId}:${part}`;
}
