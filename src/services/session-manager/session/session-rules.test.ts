import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  comparedWithSettings,
  missingSettings,
  type Named,
} from "#services/session-manager/reports/missing-settings.ts";
import { applyReport, NOTHING_REACHED, type Report } from "#services/session-manager/reports/report-rules.ts";
import { DEGRADATIONS, type Degradation, type DegradationCode } from "#shared/domain/degradation.ts";
import {
  AT_WORK,
  mayTransition,
  SESSION_STATES,
  type Session,
  type SessionState,
  sessionSchema,
} from "#shared/domain/session.ts";
import { sessionIn } from "./session.fixture.ts";
import {
  ACTIONS,
  type Action,
  act,
  allowedCommands,
  changed,
  lockedFields,
  remove,
  STARTING_REASON,
} from "./session-rules.ts";

const STALE: Degradation = { code: "FEED_STALE", sinceMs: 5, text: "No bar came." };
const HALTED: Degradation = { code: "INSTRUMENT_HALTED", sinceMs: 3, text: "It is halted." };
const ACTION_NAMES = Object.keys(ACTIONS) as Action[];
const EXPECTED: Record<SessionState, string[]> = {
  CREATED: ["start", "delete"],
  STARTING: ["stop"],
  RUNNING: ["pause", "stop"],
  PAUSED: ["resume", "stop"],
  STOPPING: [],
  STOPPED: ["start", "delete"],
  FAULTED: ["start", "stop"],
  DELETED: [],
};
const NOT_READY = NOTHING_REACHED;
const NOW = { nowMs: 9, missing: [] };

describe("what may be asked of a session", () => {
  test.each(SESSION_STATES.map((state) => [state, EXPECTED[state]] as const))("in %s: %p", (state, expected) => {
    expect(allowedCommands(state)).toEqual(expected as ReturnType<typeof allowedCommands>);
    for (const action of ACTION_NAMES) {
      const outcome = act(sessionIn(state), action, NOW);
      if (expected.includes(action)) {
        expect(outcome).toMatchObject({
          kind: "changed",
          session: { state: ACTIONS[action], version: 6, updatedAtMs: 9 },
        });
      } else expect(outcome).toEqual({ kind: "refused", asked: action, allowed: allowedCommands(state) });
    }
    expect(remove(sessionIn(state), 9).kind).toBe(expected.includes("delete") ? "changed" : "refused");
  });

  test("a start is a new run and clears what an old one left", () => {
    const before = { ...sessionIn("FAULTED"), stateReason: "it threw" };
    const outcome = act(before, "start", NOW);
    expect(outcome).toMatchObject({ session: { run: before.run + 1, stateReason: STARTING_REASON, degraded: [] } });
    expect(act(sessionIn("RUNNING"), "pause", NOW)).toMatchObject({ session: { run: before.run } });
  });
});

describe("changing a session", () => {
  test.each(SESSION_STATES.map((state) => [state] as const))("in %s only what is free there", (state) => {
    const change = { name: "b", stopPolicy: "flatten", capital: "5", params: {} } as const;
    const atRest = state === "CREATED" || state === "STOPPED";
    expect(lockedFields(sessionIn(state), change)).toEqual(atRest ? [] : ["capital", "params"]);
    expect(lockedFields(sessionIn(state), { name: "b", stopPolicy: "cancel" })).toEqual([]);
    const { instrumentIds, accountId, timeFrame } = sessionIn(state);
    expect(lockedFields(sessionIn(state), { instrumentIds, accountId, timeFrame })).toEqual([]);
    const bound = { instrumentIds: ["NDX/USD.paper"], accountId: "other", timeFrame: "1h" } as const;
    const fixed = state === "CREATED" ? [] : Object.keys(bound);
    expect(lockedFields(sessionIn(state), { ...bound, name: "b", instrumentIds: [...bound.instrumentIds] })).toEqual(
      fixed,
    );
  });

  test("changes what is named and nothing else", () => {
    const before = sessionIn("CREATED");
    expect(changed(before, { name: "b", capital: undefined }, 9)).toEqual({
      ...before,
      name: "b",
      version: before.version + 1,
      updatedAtMs: 9,
    });
  });
});

describe("reports", () => {
  test("make a session RUNNING once both have come, in either order", () => {
    const session = { ...sessionIn("STARTING"), stateReason: STARTING_REASON };
    for (const [first, second] of [
      ["report.warm", "report.reconciled"],
      ["report.reconciled", "report.warm"],
    ] as const) {
      const one = applyReport(session, NOT_READY, { type: first, run: session.run }, 9);
      expect(one.session).toBeUndefined();
      const again = applyReport(session, one.readiness ?? NOT_READY, { type: first, run: session.run }, 9);
      expect(again.session).toBeUndefined();
      const two = applyReport(session, one.readiness ?? NOT_READY, { type: second, run: session.run }, 9);
      expect(two.session?.state).toBe("RUNNING");
    }
  });

  test("do not count what an earlier run had reached", () => {
    const session = { ...sessionIn("STARTING"), stateReason: STARTING_REASON };
    const earlier = { run: session.run - 1, warm: true, reconciled: true, waits: { reconciled: "Long over." } };
    const effect = applyReport(session, earlier, { type: "report.warm", run: session.run }, 9);
    expect(effect).toEqual({ readiness: { run: session.run, warm: true, reconciled: false, waits: {} } });
  });

  test("say what a start waits for, until it waits for it no more", () => {
    const started = act(sessionIn("STOPPED"), "start", NOW);
    if (started.kind !== "changed") throw new Error("It was not started.");
    let { session } = started;
    expect(session.stateReason).toBe(STARTING_REASON);
    let readiness = NOT_READY;
    const report = (what: object) => {
      const effect = applyReport(session, readiness, { run: session.run, ...what } as Report, 9);
      readiness = effect.readiness ?? readiness;
      session = effect.session ?? session;
      return session.stateReason;
    };
    const waits = (until: string, reason: string) => report({ type: "report.waiting", until, reason });
    expect(waits("warm", "No candles.")).toBe("No candles.");
    expect(waits("reconciled", "The venue is away.")).toBe("No candles. The venue is away.");
    expect(waits("reconciled", "No candles.")).toBe("No candles.");
    const { version } = session;
    waits("reconciled", "No candles.");
    expect(session.version).toBe(version);
    expect(report({ type: "report.reconciled" })).toBe("No candles.");
    expect(waits("reconciled", "Too late.")).toBe("No candles.");
    expect(waits("warm", "Soon.")).toBe("Soon.");
    expect(report({ type: "report.warm" })).toBeNull();
    expect(session.state).toBe("RUNNING");
    expect(waits("warm", "Too late.")).toBeNull();
  });

  test("say in STOPPING what holds the stop up, once, and nowhere else", () => {
    const report = { type: "report.waiting", until: "stopped", reason: "The venue has refused an exit." } as const;
    const stopping = sessionIn("STOPPING");
    const { session } = applyReport(stopping, NOT_READY, { ...report, run: stopping.run }, 9);
    expect(session).toMatchObject({ state: "STOPPING", stateReason: report.reason, version: stopping.version + 1 });
    expect(applyReport(session as Session, NOT_READY, { ...report, run: stopping.run }, 9)).toEqual({});
    for (const state of ["STARTING", "RUNNING", "STOPPED"] as const) {
      const other = sessionIn(state);
      expect(applyReport(other, NOT_READY, { ...report, run: other.run }, 9)).toEqual({});
    }
  });

  test("of another run change nothing", () => {
    const session = sessionIn("RUNNING");
    expect(applyReport(session, NOT_READY, { type: "report.faulted", run: session.run - 1, reason: "x" }, 9)).toEqual(
      {},
    );
  });

  test("end a stop, and carry the reason of a fault", () => {
    const stopping = sessionIn("STOPPING");
    expect(
      applyReport(stopping, NOT_READY, { type: "report.stopped", run: stopping.run, reason: null }, 9).session?.state,
    ).toBe("STOPPED");
    expect(
      applyReport(sessionIn("RUNNING"), NOT_READY, { type: "report.stopped", run: stopping.run, reason: null }, 9),
    ).toEqual({});
    const faulted = applyReport(
      stopping,
      NOT_READY,
      { type: "report.faulted", run: stopping.run, reason: "it threw" },
      9,
    );
    expect(faulted.session).toMatchObject({ state: "FAULTED", stateReason: "it threw" });
  });

  test("stop a killed session with the policy flatten, but none that is over, FAULTED or stops already", () => {
    const told = (state: SessionState) => {
      const session = { ...sessionIn(state), stopPolicy: "keep" as const };
      const report: Report = { type: "report.killed", run: session.run, killId: "k1", reason: "It was killed." };
      return applyReport(session, NOT_READY, report, 9);
    };
    for (const state of ["STARTING", "RUNNING", "PAUSED"] as const) {
      const killed = { state: "STOPPING", stopPolicy: "flatten", killId: "k1", stateReason: "It was killed." };
      expect(told(state).session).toMatchObject(killed);
    }
    for (const state of ["CREATED", "STOPPING", "STOPPED", "FAULTED"] as const) expect(told(state)).toEqual({});
  });

  test("let a session whose kill was abandoned keep what it has, where it stops for that kill, in that run", () => {
    const told = (more: Partial<Session>, run = 0) => {
      const session = { ...sessionIn("STOPPING"), stopPolicy: "flatten" as const, killId: "k1", ...more };
      const report: Report = {
        type: "report.abandoned",
        run: session.run + run,
        killId: "k1",
        reason: "It was abandoned.",
      };
      return applyReport(session, NOT_READY, report, 9);
    };
    const kept = { state: "STOPPING", stopPolicy: "keep", killId: null, stateReason: "It was abandoned." };
    expect(told({}).session).toMatchObject(kept);
    expect(told({}, 1)).toEqual({});
    for (const killId of ["k2", null]) expect(told({ killId })).toEqual({});
  });

  test("a kill's stop ends with its state, and with a person's word for what becomes of it", () => {
    const stopping = { ...sessionIn("STOPPING"), stopPolicy: "flatten" as const, killId: "k1" };
    const told = (report: Report) => applyReport(stopping, NOT_READY, report, 9).session;
    const { run } = stopping;
    expect(told({ type: "report.waiting", run, until: "stopped", reason: "It waits." })?.killId).toBe("k1");
    const faulted = told({ type: "report.faulted", run, reason: "it threw" }) ?? stopping;
    expect(faulted.killId).toBeNull();
    expect(act(faulted, "stop", { nowMs: 10, missing: [] })).toMatchObject({
      session: { state: "STOPPING", stopPolicy: "flatten", killId: null },
    });
    expect(changed(stopping, { stopPolicy: "flatten" }, 10).killId).toBeNull();
    expect(changed(stopping, { name: "Mine" }, 10).killId).toBe("k1");
  });
});

describe("what a session runs without", () => {
  const degraded = (degradation: Degradation): Report => ({ type: "report.degraded", run: 2, degradation });
  const after = (session: Session, report: Report) => applyReport(session, NOT_READY, report, 9).session;

  test("is a list, oldest first, with one entry a code, which ends by its code alone", () => {
    const stale = after(sessionIn("RUNNING"), degraded(STALE));
    const both = after(stale as Session, degraded(HALTED));
    expect(both?.degraded).toEqual([HALTED, STALE]);
    const other = after(both as Session, degraded({ ...STALE, text: "It is silent." }));
    expect(other?.degraded).toEqual([HALTED, { ...STALE, text: "It is silent." }]);
    const one = after(other as Session, { type: "report.restored", run: 2, code: "INSTRUMENT_HALTED" });
    expect(one?.degraded.map(({ code }) => code)).toEqual(["FEED_STALE"]);
  });

  test("goes on since the time it was told first, whatever is told later", () => {
    const stale = after(sessionIn("RUNNING"), degraded(STALE));
    expect(after(stale as Session, degraded({ ...STALE, sinceMs: 8 }))).toBeUndefined();
    const other = after(stale as Session, degraded({ code: "FEED_STALE", sinceMs: 8, text: "It is silent." }));
    expect(other?.degraded).toEqual([{ code: "FEED_STALE", sinceMs: 5, text: "It is silent." }]);
  });

  test("is over with a stop and with a fault: nobody would end it any more", () => {
    const stale = (state: SessionState) => ({ ...sessionIn(state), degraded: [STALE] });
    const told = (state: SessionState, report: object) => after(stale(state), { run: 2, ...report } as Report);
    expect(told("STOPPING", { type: "report.stopped", reason: "0.1 SPX is left." })).toMatchObject({
      state: "STOPPED",
      degraded: [],
      stateReason: "0.1 SPX is left.",
    });
    expect(told("RUNNING", { type: "report.faulted", reason: "x" })).toMatchObject({
      state: "FAULTED",
      degraded: [],
    });
  });

  test("changes nothing when it is told again, is over already, of another run, or of a session at rest", () => {
    const stale = { ...sessionIn("RUNNING"), degraded: [STALE] };
    expect(after(stale, degraded(STALE))).toBeUndefined();
    expect(after(stale, { type: "report.restored", run: 2, code: "VENUE_BANNED" })).toBeUndefined();
    expect(after(stale, { type: "report.restored", run: 1, code: "FEED_STALE" })).toBeUndefined();
    expect(after(sessionIn("STOPPED"), degraded(STALE))).toBeUndefined();
  });
});

const CODES = Object.keys(DEGRADATIONS) as DegradationCode[];
const PAPER = { venues: ["paper"], accounts: [{ id: "demo", venue: "paper" }] };
const named = fc.constantFrom<Named>(
  PAPER,
  { venues: [], accounts: [] },
  { ...PAPER, accounts: [] },
  { venues: ["paper", "other"], accounts: [{ id: "demo", venue: "other" }] },
);
const runsBack = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  fc.record({ action: fc.constantFrom(...ACTION_NAMES, "delete" as const), named }),
  fc.record({ compare: named }),
  fc.record({
    type: fc.constantFrom("report.warm", "report.reconciled", "report.waiting", "report.stopped", "report.faulted"),
    runsBack,
  }),
  fc.record({ type: fc.constantFrom("report.degraded", "report.restored"), code: fc.constantFrom(...CODES), runsBack }),
);
/** What stands in a session's list by the settings' own watch. */
const lacks = ({ degraded }: Session) =>
  degraded.filter(({ code }) => DEGRADATIONS[code].reporter === "session-manager").map(({ text }) => text);

describe("whatever happens to a session", () => {
  test("it moves by the state table alone, each change is one version, RUNNING needs both reports of its run, nothing is missing to one that is not at work, and a list has one entry a code", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let session: Session = { ...sessionIn("CREATED"), run: 0 };
        let readiness = NOT_READY;
        const seen = new Set<string>();
        for (const [index, next] of steps.entries()) {
          const before = session;
          if ("action" in next) {
            const missing = missingSettings(session, next.named, index);
            const outcome =
              next.action === "delete" ? remove(session, index) : act(session, next.action, { nowMs: index, missing });
            if (outcome.kind === "changed") session = outcome.session;
          } else if ("compare" in next) {
            session = comparedWithSettings(session, { named: next.compare, readiness }, index) ?? session;
            const wanted = AT_WORK.includes(session.state) ? missingSettings(session, next.compare, index) : [];
            expect(lacks(session).toSorted()).toEqual(wanted.map(({ text }) => text).toSorted());
          } else {
            const run = session.run - next.runsBack;
            const code = "code" in next ? next.code : CODES[0];
            const degradation = { code, sinceMs: index % 7, text: `Since ${index}.` };
            const report = { type: next.type, run, until: "warm", reason: "x", code, degradation } as Report;
            if (session.state === "STARTING") seen.add(`${run} ${next.type}`);
            const effect = applyReport(session, readiness, report, index);
            session = effect.session ?? session;
            readiness = effect.readiness ?? readiness;
          }
          sessionSchema.parse(session);
          expect(session.version - before.version).toBe(session === before ? 0 : 1);
          const codes = session.degraded.map(({ code }) => code);
          expect(new Set(codes).size).toBe(codes.length);
          if (!AT_WORK.includes(session.state)) expect(codes).toEqual([]);
          for (const text of session.state === "STARTING" ? lacks(session) : []) {
            expect(session.stateReason).toContain(text);
          }
          if (session.state !== before.state) expect(mayTransition(before.state, session.state)).toBe(true);
          if (session.state === "RUNNING") {
            expect(seen.has(`${session.run} report.warm`) && seen.has(`${session.run} report.reconciled`)).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
