import { z } from "zod";
import { epochMs } from "./schemas.ts";

/** Who tells of a degradation, and whether prices are stale with it. */
interface DegradationKind {
  /** The one service that reports and ends it. */
  reporter: "data-collect" | "order-position-tracker" | "session-manager";
  /** Whether its prices are not those of now: entries are denied by default then. */
  stalePrices: boolean;
  meaning: string;
  /** What a person does about it, and what becomes of exits. */
  toDo: string;
}

/** All that a session may run without. A code is never given another meaning. */
export const DEGRADATIONS = {
  FEED_STALE: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "No bar came when one was due, or the venue has not acknowledged the subscription.",
    toDo: "Wait: the connection is made anew by itself. Exits go on, but a strategy decides nothing without bars; where that lasts, look whether the venue works.",
  },
  INSTRUMENT_HALTED: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "The venue has halted the instrument.",
    toDo: "Wait until the venue trades it again: it takes no exits either.",
  },
  INSTRUMENT_GONE: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "The venue does not list the instrument any more.",
    toDo: "Close at the venue what the session holds there, then stop it: the venue takes no order of it, exits neither.",
  },
  MARKET_ENDED: {
    reporter: "data-collect",
    stalePrices: true,
    meaning: "The market is a replay that has shown its last bar.",
    toDo: "Stop the session: no bar comes and nothing fills any more, exits neither.",
  },
  ACCOUNT_UNREACHABLE: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "The account's orders and fills cannot be asked for.",
    toDo: "Read its reason: mend keys that the venue refuses in R3_ACCOUNTS, and wait where the venue is away. Exits are sent as soon as it takes them.",
  },
  VENUE_BANNED: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "The venue refuses all requests until a time that it has named.",
    toDo: "Wait until the time that its text names: orders wait until then, exits too. See what else asks the venue from this address.",
  },
  RECONCILIATION_PENDING: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "Orders and fills could not be compared with the venue's for a while.",
    toDo: "Read its reason: it is compared again by itself. Exits go on.",
  },
  BOOK_INCOMPLETE: {
    reporter: "order-position-tracker",
    stalePrices: false,
    meaning: "An execution of the session could not be booked: entries and exits are denied, whatever the policy says.",
    toDo: "Read GET /api/order-position-tracker/unbooked, and discard there what the session may go on without. Until then no exit is sent either.",
  },
  VENUE_NOT_CONFIGURED: {
    reporter: "session-manager",
    stalePrices: true,
    meaning: "The settings do not name the session's venue any more.",
    toDo: "Name the venue in R3_VENUES and start the engine anew: until then no order is sent, no exit either.",
  },
  ACCOUNT_NOT_CONFIGURED: {
    reporter: "session-manager",
    stalePrices: false,
    meaning: "The settings have no keys of the session's account at its venue any more.",
    toDo: "Give the account its keys in R3_ACCOUNTS and start the engine anew: until then no order is sent or canceled, no exit either.",
  },
  WORK_DEAD: {
    reporter: "session-manager",
    stalePrices: false,
    meaning:
      "An event or a task of the session could not be handled and waits for a person, perhaps with others behind it.",
    toDo: "Redrive or discard it where its text says. Exits go on, but what waits behind it does not.",
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

/** What a person does about all that is missing. */
export function toDoAbout(degraded: readonly Pick<Degradation, "code">[]): string {
  return [...new Set(degraded.map(({ code }) => DEGRADATIONS[code].toDo))].join(" ");
}

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
