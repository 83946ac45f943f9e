import { z } from "zod";
import { readWaiting } from "#shared/bus/read-waiting.ts";
import { readFailed } from "#shared/dead/read-failed.ts";
import { readBacklog } from "#shared/queue/lane-rows.ts";
import type { Deps } from "#shared/service/service.ts";

const count = z.number().int().nonnegative();

/** The engine's half of "at rest": the other one is the venue's. */
export const atRestSchema = z.object({
  atRest: z.boolean().describe("Nothing is under way: each group has all its events, and no task is open"),
  waitsFor: z.array(z.string()).describe("What is under way, in phrases; empty: it is at rest"),
  undelivered: count.describe("Events that a group has not handled yet"),
  openTasks: count.describe("Tasks that are not done"),
  parked: count.describe("Events and tasks that have failed and are tried again"),
  dead: count.describe("Events and tasks that wait for a person"),
});
export type AtRest = z.infer<typeof atRestSchema>;

/** One snapshot of the database: since every hand-over is inside a commit, nothing can hide between its parts. */
export async function readAtRest({ db }: Pick<Deps, "db">): Promise<AtRest> {
  return await db.transaction(
    async (tx) => {
      const [waiting, backlog, failed] = await Promise.all([readWaiting(tx.sql), readBacklog(tx), readFailed(tx.sql)]);
      const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
      const undelivered = sum(waiting.map(({ events }) => events));
      const openTasks = sum(backlog.map(({ open }) => open));
      const parked = sum(failed.map((one) => one.parked));
      const dead = sum(failed.map((one) => one.dead));
      const waitsFor = [
        ...(undelivered === 0 ? [] : [`${undelivered} events are not handled yet`]),
        ...(openTasks === 0 ? [] : [`${openTasks} tasks are open`]),
        ...(parked === 0 ? [] : [`${parked} events or tasks are tried again`]),
        ...(dead === 0 ? [] : [`${dead} events or tasks are dead`]),
      ];
      return { atRest: waitsFor.length === 0, waitsFor, undelivered, openTasks, parked, dead };
    },
    { isolation: "repeatable read", readOnly: true },
  );
}
