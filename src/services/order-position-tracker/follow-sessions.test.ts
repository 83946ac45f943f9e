import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { createMemoryDb } from "#shared/db/memory.ts";
import type { Session } from "#shared/domain/session.ts";
import { createSessionFollower } from "./follow-sessions.ts";
import type { Parts } from "./parts.ts";

function unitOf(partition: number) {
  const giving = new AbortController();
  const role = `unit:order-position-tracker:${partition}`;
  const unit: OwnedUnit = {
    group: "order-position-tracker",
    partition,
    role,
    epoch: 1,
    signal: giving.signal,
  };
  return { unit, giveUp: () => giving.abort() };
}

describe("a session follower", () => {
  test("is drained of one partition while the session of another still waits", async () => {
    // A database without SQL: no session can be read, so each one waits for as long as its partition is owned.
    const deps = { db: createMemoryDb(), clock: createManualClock(), log: pino({ level: "silent" }) };
    const follower = createSessionFollower({ deps } as unknown as Parts);
    const one = unitOf(1);
    const other = unitOf(2);
    follower.look({ id: "a", state: "STOPPING" } as Session, one.unit);
    follower.look({ id: "b", state: "STOPPING" } as Session, other.unit);
    const drained: string[] = [];
    const gone = follower.drained(other.unit).then(() => drained.push("b"));
    one.giveUp();
    await follower.drained(one.unit).then(() => drained.push("a"));
    expect(drained).toEqual(["a"]);
    other.giveUp();
    await gone;
    expect(drained).toEqual(["a", "b"]);
  });
});
