import type { MessageContent } from "./content.ts";
import { readable } from "./local-time.ts";

/** What the fills of one session came to. */
export interface SessionDay {
  sessionId: string;
  name: string | null;
  fills: number;
  /** What was bought and sold, in the quote asset, as decimal text. */
  bought: string;
  sold: string;
  /** Fees by asset. */
  fees: Record<string, string>;
}

/** What a daily summary tells of. */
export interface Day {
  fromMs: number;
  toMs: number;
  /** Those with fills, the busiest first. */
  sessions: readonly SessionDay[];
  /** How many sessions are in each state. */
  states: Readonly<Record<string, number>>;
  /** How many alerts are open, by severity. */
  alerts: Readonly<Record<string, number>>;
}

/** So many sessions have a line of their own. */
const MOST_LINES = 12;

/** The message of a day: what was traded, how the sessions stand, and what is open. */
export function summaryOf(day: Day, timeZone: string): MessageContent {
  const { sessions, states, alerts, fromMs, toMs } = day;
  const fills = sessions.reduce((sum, session) => sum + session.fills, 0);
  const shown = sessions.slice(0, MOST_LINES);
  const left = sessions.length - shown.length;
  const lines = [
    `From ${readable(fromMs, timeZone)} to ${readable(toMs, timeZone)}.`,
    `Sessions: ${inWords(states, "none")}. Open alerts: ${inWords(alerts, "none")}.`,
    fills === 0 ? "Nothing was traded." : `${fills} fills:`,
    ...shown.map(lineOf),
    ...(left > 0 ? [`and ${left} sessions more`] : []),
  ];
  const data = {
    fromMs,
    toMs,
    fills,
    sessions: sessions.slice(0, MOST_LINES).map((one) => ({ ...one })),
    states: { ...states },
    alerts: { ...alerts },
  };
  return {
    kind: "summary",
    severity: "info",
    title: `The day: ${fills} fills, ${inWords(alerts, "no")} open alerts`,
    text: lines.join("\n"),
    atMs: toMs,
    data,
  };
}

function lineOf({ sessionId, name, fills, bought, sold, fees }: SessionDay): string {
  const paid = Object.entries(fees).map(([asset, fee]) => `${fee} ${asset}`);
  const fee = paid.length === 0 ? "" : `, fees ${paid.join(" and ")}`;
  return `- ${name ?? sessionId}: ${fills} fills, bought for ${bought}, sold for ${sold}${fee}`;
}

function inWords(counts: Readonly<Record<string, number>>, none: string): string {
  const words = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  return words.length === 0 ? none : words.join(", ");
}
