import { z } from "zod";
import { defineTask } from "#shared/messages/tasks.ts";

/** Reads pages of a back-fill; asked for again until it is over. Lane: the back-fill. */
export const RUN_BACKFILL = defineTask({
  queue: "market-data",
  type: "run-backfill",
  lane: "backfillId",
  payload: z.object({ backfillId: z.string() }),
  onDead: "skip",
  // One that is resumed locks its series and its row behind its lane, as its worker does.
  locksAtOnce: true,
});
