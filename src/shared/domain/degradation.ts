import { z } from "zod";
import { epochMs } from "./schemas.ts";

/** Who tells of a degradation, and whether prices are stale with it. */
interface DegradationKind {
  /** The one service that reports and ends it. */
  reporter: "data-collect" | "order-position-tracker" | "session-manager";
  /** Whether its prices are not those of now: entries are denied by default then. */
  stalePrices: boolean;
  meaning: string;
}

/** All that a session may run without. A code is never given another meaning. */
export const DEGRADATIONS = {
  FEED_STALE: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "No bar came when one was due, or the venue has not acknowledged the subscription.",
  },
  INSTRUMENT_HALTED: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "The venue has halted the instrument.",
  },
  INSTRUMENT_GONE: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "The venue does not list the instrument any more.",
  },
  MARKET_ENDED: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "The market is a replay that has shown its last bar.",
  },
  ACCOUNT_UNREACHABLE: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "The account's orders and fills cannot be asked for.",
  },
  VENUE_BANNED: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "The venue refuses all requests until a time that it has named.",
  },
  RECONCILIATION_PENDING: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "Orders and fills could not be compared with the venue's for a while.",
  },
  BOOK_INCOMPLETE: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "An execution of the session could not be booked: entries and exits are denied, whatever the policy says.",
  },
  VENUE_NOT_CONFIGURED: {
    reporter: "session-manager",
    stalePrices: true,
    meaning: "The settings do not name the session's venue any more.",
  },
  ACCOUNT_NOT_CONFIGURED: {
    reporter: "session-manager",
    stalePrices: false,
    meaning: "The settings have no keys of the session's account at its venue any more.",
  },
  WORK_DEAD: {
    reporter: "session-manager",
    stalePrices: false,
    meaning:
      "An event or a task of the session could not be handled and waits for a person, perhaps with others behind it.",
  },
} as const satisfies Record<string, DegradationKind>;

export type DegradationCode = keyof typeof DEGRADATIONS;
export type DegradationReporter = (typeof DEGRADATIONS)[DegradationCode]["reporter"];
export const degradationCodeSchema = z.enum(Object.keys(DEGRADATIONS) as [DegradationCode, ...DegradationCode[]]);

/** Something that a session runs without, since when (wall clock), and in a sentence why. The text stays while it lasts. */
export const degradationSchema = z.object({
  code: degradationCodeSchema.describe("What is missing; docs/alerts.md has every code"),
  sinceMs: epochMs.describe("Since when, UTC epoch milliseconds"),
  text: z.string().describe("The same in a sentence, with the reason"),
});
export type Degradation = z.infer<typeof degradationSchema>;

/** What becomes of entries while something is missing. Exits are never denied for it, except while BOOK_INCOMPLETE is among it. */
export const DEGRADED_ENTRIES = {
  deny: "Entries are denied whatever is missing.",
  "deny-stale": "Entries are denied while prices are stale, and allowed else.",
  allow: "Entries are allowed whatever is missing, except while BOOK_INCOMPLETE is among it.",
} as const;
export const degradedEntriesSchema = z.enum(
  Object.keys(DEGRADED_ENTRIES) as [keyof typeof DEGRADED_ENTRIES, ...(keyof typeof DEGRADED_ENTRIES)[]],
);

/** The first of these for which a policy denies entries. Null: it allows them. */
export function blocksEntries(
  degraded: readonly Degradation[],
  policy: z.infer<typeof degradedEntriesSchema>,
): Degradation | null {
  if (policy === "allow") return null;
  return degraded.find(({ code }) => policy === "deny" || DEGRADATIONS[code].stalePrices) ?? null;
}
