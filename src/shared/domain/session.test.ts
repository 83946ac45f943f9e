import { describe, expect, test } from "bun:test";
import { mayTransition, SESSION_STATES, type SessionState } from "./session.ts";

describe("session states", () => {
  const allowed: [SessionState, SessionState][] = [
    ["CREATED", "STARTING"],
    ["CREATED", "DELETED"],
    ["STARTING", "RUNNING"],
    ["STARTING", "STOPPING"],
    ["STARTING", "FAULTED"],
    ["RUNNING", "PAUSED"],
    ["RUNNING", "STOPPING"],
    ["RUNNING", "FAULTED"],
    ["PAUSED", "RUNNING"],
    ["PAUSED", "STOPPING"],
    ["PAUSED", "FAULTED"],
    ["STOPPING", "STOPPED"],
    ["STOPPING", "FAULTED"],
    ["STOPPED", "STARTING"],
    ["STOPPED", "DELETED"],
    ["FAULTED", "STARTING"],
    ["FAULTED", "STOPPING"],
  ];

  test("allow what the table of the domain says, and nothing else", () => {
    for (const from of SESSION_STATES) {
      for (const to of SESSION_STATES) {
        expect([from, to, mayTransition(from, to)]).toEqual([
          from,
          to,
          allowed.some(([a, b]) => a === from && b === to),
        ]);
      }
    }
  });
});
