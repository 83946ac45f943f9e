import { describe, expect, test } from "bun:test";
import { createRecipientSchema } from "#services/notification/recipients/recipient.ts";
import type { Severity } from "#shared/alerts/alert-kinds.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { filledOf } from "./filled.fixture.ts";
import {
  alertNotice,
  alertOverNotice,
  contentOf,
  isOfAlert,
  isTold,
  isWanted,
  type Notice,
  noticeOf,
  scopeOf,
  type ToldEvent,
} from "./notice.ts";

const KINDS = {
  TEST: { code: "TEST", severity: "warning", meaning: "It is so.", toDo: "Look.", ends: "condition" },
} as const;
const session = sessionOf({ name: "Mine", state: "RUNNING" });
const known = { sessionNames: new Map([[session.id, "Mine"]]) };
const event = (type: ToldEvent["type"], data: unknown) => ({ type, data }) as ToldEvent;
const raised = (scope: string, severity: Severity = "warning") =>
  event("alert.raised", { scope, code: "TEST", severity, text: "It has happened.", atMs: 1, data: { n: 1 } });
const preferencesOf = (more: Record<string, unknown> = {}) => {
  const channel = { type: "email", address: "me@mail.example" };
  const { name: _name, channel: _channel, ...rest } = createRecipientSchema.parse({ name: "me", channel, ...more });
  return { ...rest, id: "me" };
};
const told = (one: ToldEvent): Notice => {
  if (one.type === "alert.raised") return alertNotice(one.data, KINDS);
  const notice = isOfAlert(one) ? null : noticeOf(one, known);
  if (notice === null) throw new Error("It tells nothing.");
  return notice;
};
const filled = event("order.filled", filledOf(session));

describe("what an event tells", () => {
  test("an alert: what has happened, and what to do", () => {
    const content = contentOf(told(raised("topic:x")), preferencesOf({ timeZone: "Europe/Berlin" }));
    expect(content).toEqual({
      kind: "alert",
      severity: "warning",
      title: "warning: TEST (topic:x)",
      text: "It has happened. What to do: Look.\n1970-01-01 01:00 Europe/Berlin",
      atMs: 1,
      data: { n: 1, scope: "topic:x", code: "TEST" },
    });
  });

  test("that an alert is over wakes nobody up, and is told to whom was told of it", () => {
    const alert = { scope: "topic:x", code: "TEST", severity: "critical", raisedAtMs: 1, overAtMs: null } as const;
    const over = alertOverNotice({ ...alert, told: ["me"], silenced: false }, 2);
    expect(over).toMatchObject({ severity: "info", title: "Over: TEST (topic:x)", atMs: 2 });
    const wanted = (id: string, more = {}) => isWanted(over, { ...preferencesOf(more), id });
    expect([wanted("me", { minSeverity: "critical", events: [] }), wanted("you")]).toEqual([true, false]);
  });

  test("a fill, by the name of its session", () => {
    const notice = told(filled);
    expect(notice).toMatchObject({ event: "fills", title: "BUY 1 SPX/USD.paper at 100.5 (Mine)" });
    expect(contentOf(notice, preferencesOf()).text).toBe("Mine: 1 of 2 are filled, fee 0.1 USD\n1970-01-01 00:00 UTC");
  });

  test("a session's change of state; one that faults is critical", () => {
    const changed = (from: string | null, state: string) =>
      event("session.changed", { from, session: { ...session, state, stateReason: "So it is." } });
    expect(told(changed("STARTING", "RUNNING"))).toMatchObject({ severity: "info", title: "Mine: STARTING → RUNNING" });
    expect(told(changed("RUNNING", "FAULTED"))).toMatchObject({ severity: "critical" });
    expect(told(changed(null, "CREATED"))).toMatchObject({ title: "Mine: CREATED" });
    expect(isTold(changed("RUNNING", "RUNNING"))).toBe(false);
    expect(() => told(changed("RUNNING", "RUNNING"))).toThrow("It tells nothing.");
  });

  test("nothing: a change of an order", () => {
    const changed = event("order.changed", { from: "ACCEPTED", order: filledOf(session).order });
    expect(isTold(changed)).toBe(false);
    expect(() => told(changed)).toThrow("It tells nothing.");
  });

  test("a title is one line, and short", () => {
    const { title } = told(raised(`topic:a\n\tb${"x".repeat(300)}`));
    expect(title).toStartWith("warning: TEST (topic:a b");
    expect(title).toHaveLength(200);
  });

  test("a text of one's own stands in place of the usual one", () => {
    const own = preferencesOf({ templates: { alert: "{code}!" } });
    expect(contentOf(told(raised("topic:x")), own).text).toBe("TEST!");
  });
});

describe("who wants it", () => {
  const ofSession = `session:${session.id}`;
  test.each<[string, Notice, Record<string, unknown>, boolean]>([
    ["all that is told, where nothing is said", told(raised("topic:x", "info")), {}, true],
    ["alerts, to whom wants fills", told(raised("topic:x")), { events: ["fills"] }, false],
    ["an alert below what is told", told(raised("topic:x")), { minSeverity: "critical" }, false],
    ["an alert as severe as what is told", told(raised("topic:x")), { minSeverity: "warning" }, true],
    ["an alert of another session", told(raised(ofSession)), { sessionIds: [crypto.randomUUID()] }, false],
    ["an alert of the session", told(raised(ofSession)), { sessionIds: [session.id] }, true],
    ["an alert of no session", told(raised("topic:x")), { sessionIds: [session.id] }, true],
    ["an alert about oneself", told(raised(scopeOf("me"))), {}, false],
    ["an alert about another one", told(raised(scopeOf("you"))), {}, true],
    ["a fill, whatever the severity of alerts", told(filled), { minSeverity: "critical" }, true],
  ])("%s", (_what, notice, preferences, expected) => {
    expect(isWanted(notice, preferencesOf(preferences))).toBe(expected);
  });
});
