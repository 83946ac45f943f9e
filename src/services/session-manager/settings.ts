import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

/** What session-manager can be told. */
export const settings = z.object({
  R3_SESSION_MANAGER_IDEMPOTENCY_MS: wholeNumber(1_000, 31_536_000_000)
    .default(86_400_000)
    .describe("How long an answer is kept under its Idempotency-Key, in milliseconds"),
  R3_SESSION_MANAGER_SWEEP_MS: wholeNumber(100, 86_400_000)
    .default(3_600_000)
    .describe("How often keys that are over are removed, in milliseconds"),
  R3_SESSION_MANAGER_WATCH_MS: wholeNumber(100, 3_600_000)
    .default(5_000)
    .describe("How often sessions are compared with R3_VENUES, R3_ACCOUNTS and what is dead, in milliseconds"),
  R3_SESSION_MANAGER_EVENTS_DAYS: wholeNumber(1, 36_500)
    .default(365)
    .describe("How long what happened to sessions is kept, in days"),
});
export type Settings = z.infer<typeof settings>;
