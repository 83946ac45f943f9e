import { z } from "zod";
import { sessionSchema } from "#shared/domain/session.ts";

const { id, name, strategy, instrumentIds, timeFrame, accountId, state, stateReason, degraded, updatedAtMs } =
  sessionSchema.shape;

/** What of a session is shown. */
export const sessionLineSchema = z.object({
  id,
  name,
  strategy,
  instrumentIds,
  timeFrame,
  accountId,
  state,
  stateReason,
  degraded,
  updatedAtMs,
});
export type SessionLine = z.infer<typeof sessionLineSchema>;
