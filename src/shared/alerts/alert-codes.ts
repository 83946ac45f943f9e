import { z } from "zod";

/** How much it matters. info: good to know. warning: look at it today. critical: money or protection is at stake, look now. */
export const severitySchema = z.enum(["info", "warning", "critical"]);
export type Severity = z.infer<typeof severitySchema>;

/** What every alert of a code has in common. */
export interface AlertKind {
  severity: Severity;
  /** What has happened, in a sentence. */
  meaning: string;
  /** What a person does about it, in a sentence or two. */
  toDo: string;
  /** Who ends it. condition: the service that raised it, once it is over. fact: a person, since what has happened stays so. */
  ends: "condition" | "fact";
}

/** Every alert there is. A code is never given another meaning. */
export const ALERT_KINDS = {
  ACCOUNT_IDS_BEGAN_ANEW: {
    severity: "critical",
    meaning:
      "The ids of an account's executions have begun anew, as after a reset of a test network. The account is HALTED.",
    toDo: "Close its history with POST .../accounts/<id>/new-era; it trades again then.",
    ends: "condition",
  },
  BALANCE_MISMATCH: {
    severity: "critical",
    meaning: "The venue has less of an asset than the account's sessions own by their ledgers.",
    toDo: "Find out who has moved the difference; pay it in, or stop the sessions.",
    ends: "condition",
  },
  BAR_REFUSED: {
    severity: "warning",
    meaning: "The venue told a bar that cannot be, as one with a price of zero. It is left out; the series goes on.",
    toDo: "Look at the instrument at its venue. A strategy has not seen this bar.",
    ends: "fact",
  },
  BROKER_FORGED: {
    severity: "critical",
    meaning: "Entries of a topic were found in the broker that no process of this engine wrote. They are dropped.",
    toDo: "Nothing of them was taken. Find out who can write to Redis (or Kafka), and give it another password; then clear the alert.",
    ends: "fact",
  },
  CANDLE_LEFT_OUT: {
    severity: "warning",
    meaning:
      "The venue does not list the bar of a candle whose first trades were not seen here. The series goes on without it.",
    toDo: "Compare the candles of that time with the venue's; a strategy has not seen this one.",
    ends: "fact",
  },
  DOUBLE_EXECUTION: {
    severity: "critical",
    meaning: "The venue has two orders of one intent of ours. What both execute is booked; the session is FAULTED.",
    toDo: "Cancel what is open at the venue, and decide about the position: it is larger or smaller than its strategy wants. A larger listLagMs of the venue waits longer before an order is sent again.",
    ends: "fact",
  },
  EQUITY_NOT_WRITTEN: {
    severity: "warning",
    meaning: "The equity curve of a session stands, since its points cannot be written. Those of other sessions go on.",
    toDo: "Read the reason; end the transaction that holds the session's row, or mend what refuses it. The points are written then.",
    ends: "condition",
  },
  EVENT_DEAD: {
    severity: "critical",
    meaning:
      "An event could not be handled, and nobody tries it again. By its topic's contract later ones of its key wait behind it.",
    toDo: "Read it under the address that the text names. Redrive it once the reason is mended; discard it where it may be without its effect.",
    ends: "condition",
  },
  EXECUTION_NOT_BOOKED: {
    severity: "critical",
    meaning:
      "An execution that the venue told of, on the user stream or on its list, could not be booked. It is kept as it was told, and its session sends nothing.",
    toDo: "Read it under GET .../unbooked. It is tried again by itself; where it never can be booked, compare the position with the venue's, and let its session go on with POST .../unbooked/discard.",
    ends: "fact",
  },
  EXIT_REFUSED: {
    severity: "critical",
    meaning:
      "The venue has refused an order that closes a position. It is made again, with pauses that grow to a minute.",
    toDo: "Read the venue's words. What the session holds stays as it is until an exit is accepted.",
    ends: "condition",
  },
  FAULTED_WITH_POSITION: {
    severity: "critical",
    meaning: "A session is FAULTED while it holds a position that nobody manages.",
    toDo: "Start the session again, or stop it with the policy flatten, or close the position at the venue.",
    ends: "condition",
  },
  FILL_BEFORE_INTENT: {
    severity: "critical",
    meaning: "The venue executed an order that was not sent yet. It was booked.",
    toDo: "Find out who else uses these client order ids: two engines on one account, or a restored database.",
    ends: "fact",
  },
  FOREIGN_FILL: {
    severity: "warning",
    meaning: "The account has executions of an instrument that were not made here.",
    toDo: "Nothing where it is your own. Else change the account's keys.",
    ends: "fact",
  },
  FOREIGN_ORDER: {
    severity: "warning",
    meaning: "The account has orders of an instrument that were not made here.",
    toDo: "Nothing where it is your own. Else cancel it at the venue and change the account's keys.",
    ends: "fact",
  },
  HISTORY_CHANGED: {
    severity: "warning",
    meaning:
      "The venue does not list the newest bar that is kept any more. The candle stays, and the series goes on from what the venue lists.",
    toDo: "Compare the candles around that bar with the venue's; a strategy may have acted on a bar that the venue took back.",
    ends: "fact",
  },
  LATE_ACCEPTANCE: {
    severity: "critical",
    meaning: "The venue holds an order that had ended here as one that it did not know.",
    toDo: "Cancel it at the venue, or let it be: what it executes is booked.",
    ends: "fact",
  },
  LATE_FILL: {
    severity: "critical",
    meaning: "An order was executed after it had ended here. It was booked.",
    toDo: "Look at the session's position: it may be larger or smaller than its strategy wants.",
    ends: "fact",
  },
  LATE_TRADES: {
    severity: "warning",
    meaning:
      "Trades came after the clock had closed the candle that they belong to. They are in no candle; the series goes on.",
    toDo: "A larger R3_MARKET_DATA_LATE_TRADES_MS waits longer for them.",
    ends: "fact",
  },
  LOST_AT_VENUE: {
    severity: "critical",
    meaning: "The venue had accepted an order and knows it no more. It is EXPIRED here.",
    toDo: "Ask the venue what became of it. The strategy goes on from what was filled.",
    ends: "fact",
  },
  OVER_FILL: {
    severity: "critical",
    meaning: "An order was executed beyond its size. It was booked.",
    toDo: "Compare the order with the venue's, and look at the session's position.",
    ends: "fact",
  },
  POSITION_BELOW_ZERO: {
    severity: "critical",
    meaning: "A session has sold more of an asset than it had, as by a second execution of an exit.",
    toDo: "Buy back at the venue what is missing to the account. The session's stop is not held up by it.",
    ends: "condition",
  },
  SESSION_DEGRADED: {
    severity: "warning",
    meaning: "A session runs with something missing: its list `degraded` says what.",
    toDo: "Read the reasons on the session. Its exits go on, but with BOOK_INCOMPLETE; entries are denied or not by its risk policy.",
    ends: "condition",
  },
  SESSION_FAULTED: {
    severity: "critical",
    meaning: "A session is FAULTED: nothing new is sent for it.",
    toDo: "Read the reason on the session; start it again, or stop it. What it holds stays as it is until then.",
    ends: "condition",
  },
  TASK_DEAD: {
    severity: "critical",
    meaning:
      "A task could not be done, and nobody tries it again. By its type's contract later ones of its lane wait behind it.",
    toDo: "Read it under the address that the text names. Redrive it once the reason is mended. After a discard its session may wait for an answer that never comes: stop it and start it again.",
    ends: "condition",
  },
  TRADE_IDS_BEGAN_ANEW: {
    severity: "warning",
    meaning: "The ids of an instrument's public trades have begun anew, as after a reset of a test network.",
    toDo: "Nothing: the series goes on. Compare the candle of that time with the venue's.",
    ends: "fact",
  },
} as const satisfies Record<string, AlertKind>;

export type AlertCode = keyof typeof ALERT_KINDS;
export const ALERT_CODES = Object.keys(ALERT_KINDS) as [AlertCode, ...AlertCode[]];
export const alertCodeSchema = z.enum(ALERT_CODES);
