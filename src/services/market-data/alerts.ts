import { defineAlerts } from "#shared/alerts/alert-kinds.ts";

/** What this service raises. */
export const alerts = defineAlerts({
  CANDLE_LEFT_OUT: {
    severity: "warning",
    meaning:
      "The venue does not list the bar of a candle whose first trades were not seen here. The series goes on without it.",
    toDo: "Compare the candles of that time with the venue's; a strategy has not seen this one.",
    ends: "fact",
  },
  HISTORY_CHANGED: {
    severity: "warning",
    meaning:
      "The venue does not list the newest bar that is kept any more. The candle stays, and the series goes on from what the venue lists.",
    toDo: "Compare the candles around that bar with the venue's; a strategy may have acted on a bar that the venue took back.",
    ends: "fact",
  },
  LATE_TRADES: {
    severity: "warning",
    meaning:
      "Trades came after the clock had closed the candle that they belong to. They are in no candle; the series goes on.",
    toDo: "A larger R3_MARKET_DATA_LATE_TRADES_MS waits longer for them.",
    ends: "fact",
  },
  TRADE_IDS_BEGAN_ANEW: {
    severity: "warning",
    meaning: "The ids of an instrument's public trades have begun anew, as after a reset of a test network.",
    toDo: "Nothing: the series goes on. Compare the candle of that time with the venue's.",
    ends: "fact",
  },
});
