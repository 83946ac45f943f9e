import { z } from "zod";
import { defineStrategy } from "#shared/strategy/strategy.ts";

/** The bars' closes at which sessions turn their positions around, in milliseconds from one to the next. */
export const CYCLE_MS = 60_000;
/** Those that burst do it also at this time of the cycle. */
export const BURST_AT_MS = 30_000;
/** Those that have a second of their own turn at that one of each cycle of so many milliseconds. */
export const OWN_CYCLE_MS = 20_000;

/** Whether a session with this second turns at this close. */
export function isOwnTurn(closeAtMs: number, second: number): boolean {
  return closeAtMs % OWN_CYCLE_MS === second * 1_000;
}

function isCommonTurn(closeAtMs: number, flips: string): boolean {
  const at = closeAtMs % CYCLE_MS;
  return flips !== "never" && (at === 0 || (flips === "in-bursts-too" && at === BURST_AT_MS));
}

/** Turns its position around at the close of certain bars, by their time: many sessions do it at one close. */
export const onClose = defineStrategy({
  name: "on-close",
  version: "1.0.0",
  description: "Long and flat in turn at certain closes, once at each. For measurements, not for money.",
  params: z.strictObject({
    flips: z.enum(["never", "at-minutes", "in-bursts-too"]).or(z.number().int().min(0).max(19)),
  }),
  warmupBars: () => 10,
  forming: false,
  create: ({ flips }) => ({
    onBar({ closeAtMs }, context) {
      const isFlip = typeof flips === "number" ? isOwnTurn(closeAtMs, flips) : isCommonTurn(closeAtMs, flips);
      // A wish stands until it is taken back: one that was denied is not made again at each bar.
      if ((context.position === "flat") === isFlip) context.wantLong();
      else context.wantFlat();
    },
    snapshot: () => null,
    restore() {},
  }),
});
