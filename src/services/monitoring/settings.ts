import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

/** What monitoring can be told. */
export const monitoringSettings = z.object({
  R3_MONITORING_LOOK_MS: wholeNumber(100, 60_000)
    .default(2_000)
    .describe("How often the leader measures and holds what it finds against the rules, in milliseconds"),
  R3_MONITORING_FORGET_MS: wholeNumber(10_000, 604_800_000)
    .default(3_600_000)
    .describe("How long an instance that was stopped in order or replaced is still shown, in milliseconds"),
  R3_MONITORING_ALERTS_KEEP_DAYS: wholeNumber(1, 3_650)
    .default(90)
    .describe("How long alerts stay in the history once they are over, in days"),
});
export type MonitoringSettings = z.infer<typeof monitoringSettings>;
