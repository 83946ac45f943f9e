import { describe, expect, test } from "bun:test";
import { sessionIn } from "#services/session-manager/session/session.fixture.ts";
import { act, STARTING_REASON } from "#services/session-manager/session/session-rules.ts";
import type { Session } from "#shared/domain/session.ts";
import { comparedWithSettings, missingSettings, type Named } from "./missing-settings.ts";
import { NOTHING_REACHED } from "./report-rules.ts";

const ACCOUNT = { id: "demo", venue: "paper" };
const BOTH: Named = { venues: ["paper"], accounts: [ACCOUNT] };
const NO_VENUE: Named = { venues: ["papers"], accounts: [] };
const NO_KEYS: Named = { venues: ["paper"], accounts: [{ id: "demo-2", venue: "paper" }] };
const ELSEWHERE: Named = { venues: ["paper", "kraken"], accounts: [{ id: "demo", venue: "kraken" }] };

const compared = (session: Session, named: Named, nowMs = 9) =>
  comparedWithSettings(session, { named, readiness: NOTHING_REACHED }, nowMs);

describe("a session whose venue or keys are not in the settings any more", () => {
  test.each([
    [BOTH, []],
    [NO_VENUE, ['VENUE_NOT_CONFIGURED: R3_VENUES does not name "paper"', "ACCOUNT_NOT_CONFIGURED: R3_ACCOUNTS has no"]],
    [NO_KEYS, ['ACCOUNT_NOT_CONFIGURED: R3_ACCOUNTS has no keys of the account "demo"']],
    [ELSEWHERE, ['ACCOUNT_NOT_CONFIGURED: R3_ACCOUNTS has the account "demo" at the venue "kraken"']],
  ])("with %p lacks %p", (named, wanted) => {
    const told = missingSettings(sessionIn("RUNNING"), named, 9).map(({ code, text }) => `${code}: ${text}`);
    expect(told).toEqual(wanted.map((beginning) => expect.stringContaining(beginning)));
  });

  test("says so as the reason of a stop that may wait for it, in place of no reason alone", () => {
    const running = compared(sessionIn("RUNNING"), NO_KEYS) as Session;
    const asked = act(running, "stop", { nowMs: 10, missing: [] });
    const stopping = asked.kind === "changed" ? asked.session : sessionIn("FAULTED");
    expect(stopping.stateReason).toContain("can be neither sent nor canceled");
    expect(compared(stopping, ELSEWHERE)?.stateReason).toContain("kraken");
    expect(compared(stopping, BOTH)?.stateReason).toBeNull();
    const told = { ...stopping, stateReason: "It waits for the market." };
    expect(compared(told, ELSEWHERE)?.stateReason).toBe("It waits for the market.");
  });

  test("shows it beside what others reported, since when it was noticed, and no more once it is back", () => {
    const stale = { code: "FEED_STALE", sinceMs: 5, text: "No bar came." } as const;
    const gone = compared({ ...sessionIn("RUNNING"), degraded: [stale] }, NO_KEYS) as Session;
    expect(gone.degraded.map(({ code, sinceMs }) => [code, sinceMs])).toEqual([
      ["FEED_STALE", 5],
      ["ACCOUNT_NOT_CONFIGURED", 9],
    ]);
    expect(compared(gone, NO_KEYS, 20)).toBeUndefined();
    const elsewhere = compared(gone, ELSEWHERE, 20) as Session;
    expect(elsewhere.degraded[1]).toMatchObject({ sinceMs: 9, text: expect.stringContaining("kraken") });
    expect(compared(elsewhere, BOTH, 30)?.degraded).toEqual([stale]);
  });

  test.each(["CREATED", "STOPPED", "FAULTED", "DELETED"] as const)("is not told while it is %s", (state) => {
    expect(compared(sessionIn(state), NO_VENUE)).toBeUndefined();
  });

  test("says so in its reason when it is started, until it is mended", () => {
    const missing = missingSettings(sessionIn("STOPPED"), NO_KEYS, 9);
    const started = act(sessionIn("STOPPED"), "start", { nowMs: 9, missing });
    if (started.kind !== "changed") throw new Error("It was not started.");
    expect(started.session).toMatchObject({ stateReason: missing[0]?.text, degraded: missing, version: 6 });
    expect(compared(started.session, BOTH)).toMatchObject({ stateReason: STARTING_REASON, degraded: [], version: 7 });
  });
});
