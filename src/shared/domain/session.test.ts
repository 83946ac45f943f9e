import { describe, expect, test } from "bun:test";
import { faultsOf } from "#shared/errors/field-error.ts";
import { mayTransition, paramsSchema, SESSION_STATES, type SessionState } from "./session.ts";

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

describe("parameters of a strategy", () => {
  const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at]));

  test("are 200 at most", () => {
    expect(faultsOf(paramsSchema, named(200), ["params"])).toEqual([]);
    expect(faultsOf(paramsSchema, named(201), ["params"])).toEqual([
      { field: "params", message: "must have at most 200 names" },
    ]);
  });
});
