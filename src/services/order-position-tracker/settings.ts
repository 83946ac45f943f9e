import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

/** What order-position-tracker can be told. */
export const orderPositionTrackerSettings = z.object({
  R3_ORDER_POSITION_TRACKER_CONCURRENCY: wholeNumber(1, 256)
    .default(16)
    .describe("How many orders are placed or canceled at once in this process"),
  R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS: wholeNumber(100, 60_000)
    .default(5_000)
    .describe("Milliseconds after its signing in which the venue may still take a request"),
  R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS: wholeNumber(0, 60_000)
    .default(1_000)
    .describe(
      "Milliseconds that the venue's server clock is waited for beyond the window before an order counts as absent",
    ),
  R3_ORDER_POSITION_TRACKER_CLOCK_INTERVAL_MS: wholeNumber(100, 3_600_000)
    .default(60_000)
    .describe("Milliseconds after which a venue's clock is measured again where nothing else has"),
  R3_ORDER_POSITION_TRACKER_MAX_ATTEMPTS: wholeNumber(1, 100)
    .default(5)
    .describe("How often an intent that is proven absent is sent in all"),
  R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS: wholeNumber(10, 60_000)
    .default(500)
    .describe("Milliseconds between two questions about an order whose answer is missing"),
  R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS: wholeNumber(100, 3_600_000)
    .default(5_000)
    .describe("Milliseconds between two reconciliations of an account"),
  R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS: wholeNumber(100, 3_600_000)
    .default(1_000)
    .describe("Milliseconds between two reconciliations while an order of the account is open or unknown"),
  R3_ORDER_POSITION_TRACKER_DEGRADED_AFTER_MS: wholeNumber(0, 3_600_000)
    .default(10_000)
    .describe(
      "Milliseconds after which an account that cannot be asked, or an instrument that cannot be compared, degrades its sessions",
    ),
});
export type OrderPositionTrackerSettings = z.infer<typeof orderPositionTrackerSettings>;
