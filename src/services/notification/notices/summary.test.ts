import { expect, test } from "bun:test";
import { summaryOf } from "./summary.ts";

const day = { fromMs: Date.parse("2026-01-01T08:00:00Z"), toMs: Date.parse("2026-01-02T08:00:00Z") };
const session = { sessionId: "s", name: "Mine", fills: 2, bought: "100", sold: "50.5", fees: { USD: "0.1", BNB: "1" } };

test("a day without trades says so", () => {
  const { title, text } = summaryOf({ ...day, sessions: [], states: {}, alerts: {} }, "UTC");
  expect(title).toBe("The day: 0 fills, no open alerts");
  expect(text).toBe(
    "From 2026-01-01 08:00 UTC to 2026-01-02 08:00 UTC.\nSessions: none. Open alerts: none.\nNothing was traded.",
  );
});

test("a day has a line for each session that traded, the first twelve, and says how many more there were", () => {
  const sessions = Array.from({ length: 14 }, (_, n) => ({
    ...session,
    sessionId: `s${n}`,
    name: n === 1 ? null : "Mine",
  }));
  const states = { RUNNING: 14, STOPPED: 1 };
  const { title, text, data } = summaryOf({ ...day, sessions, states, alerts: { critical: 1 } }, "UTC");
  const lines = text.split("\n");
  expect(title).toBe("The day: 28 fills, 1 critical open alerts");
  expect(lines.slice(1, 5)).toEqual([
    "Sessions: 14 RUNNING, 1 STOPPED. Open alerts: 1 critical.",
    "28 fills:",
    "- Mine: 2 fills, bought for 100, sold for 50.5, fees 0.1 USD and 1 BNB",
    "- s1: 2 fills, bought for 100, sold for 50.5, fees 0.1 USD and 1 BNB",
  ]);
  expect(lines.at(-1)).toBe("and 2 sessions more");
  expect(data["sessions"]).toHaveLength(12);
});
