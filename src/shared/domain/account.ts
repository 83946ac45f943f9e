import { z } from "zod";

/** What an account takes, in words. */
export const TRADING_STATES_SAY =
  "ACTIVE: every order. REDUCING: only orders that reduce. HALTED: only cancels, and what a kill or a stop with the policy flatten closes";

/** What an account takes. */
export const tradingStateSchema = z.enum(["ACTIVE", "REDUCING", "HALTED"]);
export type TradingState = z.infer<typeof tradingStateSchema>;
