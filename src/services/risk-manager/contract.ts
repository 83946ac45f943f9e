import { z } from "zod";
import { decimalText, epochMs } from "#shared/domain/schemas.ts";
import { denialCodeSchema, sideSchema } from "#shared/domain/signal.ts";

/** An order that a signal led to, or that signal's denial. */
export const decisionSchema = z.object({
  signalId: z.string().describe("What was decided about"),
  orderIndex: z
    .number()
    .int()
    .describe(
      "Place of the order among those of its signal, from 0: an exit that is too large for one order makes several",
    ),
  sessionId: z.string().describe("Whose signal it is"),
  run: z.number().int().describe("The start of the session that it belongs to"),
  signalNumber: z.number().int().describe("Number of the signal within the session"),
  kind: z.enum(["approved", "denied"]).describe("What was decided"),
  code: denialCodeSchema.nullable().describe("Why it was denied; null: it was approved"),
  reason: z.string().nullable().describe("The same in a sentence"),
  orderId: z.string().nullable().describe("The order that it led to; null: none"),
  orderNumber: z.number().int().nullable().describe("Its number within the session"),
  side: sideSchema.nullable().describe("BUY or SELL"),
  size: decimalText.nullable().describe("In the base asset"),
  mark: decimalText.nullable().describe("The price that it was measured at"),
  marketAtMs: epochMs.describe("Market clock of the decision, UTC epoch milliseconds"),
  decidedAtMs: epochMs.describe("When it was decided (wall clock), UTC epoch milliseconds"),
});
export type DecisionListing = z.infer<typeof decisionSchema>;

/** What a session may still take. */
export const budgetSchema = z.object({
  sessionId: z.string().describe("Whose budget it is"),
  accountId: z.string().describe("The account that it is of"),
  capital: decimalText.describe("What it began with, in the quote asset"),
  book: z
    .object({
      cash: decimalText.describe("In the quote asset"),
      sizes: z.record(z.string(), decimalText).describe("By instrument, in the base asset"),
    })
    .describe("What it has now"),
  reserved: z
    .object({ quote: decimalText.describe("By purchases"), base: decimalText.describe("By sales") })
    .describe("What orders on their way may still take, in the quote and in the base asset"),
  nextOrderNumber: z.number().int().describe("Number that the next order will have"),
  updatedAtMs: epochMs.describe("When it changed last, UTC epoch milliseconds"),
});
export type BudgetListing = z.infer<typeof budgetSchema>;
