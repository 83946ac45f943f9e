import { z } from "zod";
import { decimalText, epochMs, positiveDecimal } from "./schemas.ts";

/** A session's position in one instrument, after its last fill. */
export const positionSchema = z.object({
  sessionId: z.string().describe("Whose position it is"),
  accountId: z.string().describe("The account that holds it"),
  instrumentId: z.string().describe("What is held"),
  size: decimalText.describe("Signed, in the base asset"),
  averageEntry: positiveDecimal.nullable().describe("Average price at which it was opened; null: there is none"),
  realizedProfit: decimalText.describe("In the quote asset, of what was closed"),
  fees: z.record(z.string(), decimalText).describe("Fees paid by asset; below zero where more was credited"),
  updatedAtMs: epochMs.describe("Market clock of its last change, UTC epoch milliseconds"),
});
export type Position = z.infer<typeof positionSchema>;
