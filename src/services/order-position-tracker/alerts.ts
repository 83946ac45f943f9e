import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
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
  EXECUTION_NOT_BOOKED: {
    severity: "critical",
    meaning:
      "An execution that the venue told of, on the user stream or on its list, could not be booked. It is kept as it was told, and its session sends nothing.",
    toDo: "Read it under GET .../unbooked. It is tried again by itself; where it never can be booked, compare the position with the venue's, and let its session go on with POST .../unbooked/discard.",
    ends: "fact",
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
  KILL_NOT_FLAT: {
    severity: "critical",
    meaning: "A session was killed half a minute ago, and has an open order or a position that is not closed yet.",
    toDo: "Read what it waits for in GET .../kill/<id> of risk-manager. Where the venue does not take the order, close the position there by hand.",
    ends: "condition",
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
});
