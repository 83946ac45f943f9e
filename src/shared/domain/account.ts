import { z } from "zod";

/** What an account takes. ACTIVE: every order. REDUCING: only orders that reduce. HALTED: only cancels. */
export const tradingStateSchema = z.enum(["ACTIVE", "REDUCING", "HALTED"]);
export type TradingState = z.infer<typeof tradingStateSchema>;
