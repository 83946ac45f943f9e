import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { ACCOUNT, flattenWish, World } from "#services/risk-manager/risk-manager.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { KillDesk } from "./kill.fixture.ts";

const STATE = `/accounts/${ACCOUNT}/trading-state`;

let world: World;
let desk: KillDesk;

beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  desk = new KillDesk(world);
  await world.start();
});
beforeEach(async () => {
  await desk.clear();
});
afterAll(async () => {
  await world.close();
});

const reportsOf = async ({ id }: Session) => (await world.told("session-reports", id)).map(({ type }) => type);

describe("a kill that is abandoned", () => {
  /** Asks to close what a session that stops holds, as order-position-tracker does for its stop. */
  const flattenForStop = async (session: Session, more: Partial<Session> = {}) => {
    const stopping: Session = { ...session, state: "STOPPING", stopPolicy: "flatten", ...more };
    await world.change(session, stopping);
    await world.flatten(flattenWish(stopping));
    return world.outcome(stopping);
  };

  test("sells nothing more for the stop that it has begun, and tells the session to keep what it has", async () => {
    const session = await desk.holding();
    const { id: killId } = await desk.kill({ account: ACCOUNT });
    await desk.stop(session, killId);
    expect((await desk.ask("/release", { account: ACCOUNT, abandon: true })).status).toBe(204);
    expect(await reportsOf(session)).toEqual(["report.killed", "report.abandoned"]);
    // session-manager has not heard of it: the session's row still says STOPPING, with the policy flatten.
    expect(await flattenForStop(session, { killId })).toEqual({ decision: "kill abandoned" });
    expect(await world.placed(session.id)).toHaveLength(1);
    const [, , waiting] = await world.told("session-reports", session.id);
    expect(waiting).toMatchObject({
      type: "report.waiting",
      data: { reason: expect.stringContaining("The kill that has stopped it was abandoned") },
    });
    // It was FAULTED meanwhile, and a person has asked for its stop in the same run.
    expect(await flattenForStop(session, { killId: null })).toMatchObject({ decision: "approved" });
  });

  test("leaves a session alone that a person had stopped before, and one of a kill that was flat", async () => {
    const session = await desk.holding();
    await desk.stop(session, null);
    await desk.kill({ account: ACCOUNT });
    expect((await desk.ask("/release", { account: ACCOUNT, abandon: true })).status).toBe(204);
    expect(await reportsOf(session)).toEqual([]);
    expect(await flattenForStop(session)).toMatchObject({ decision: "approved" });
    const flat = await desk.put();
    const { id } = await desk.kill({ session: flat.id });
    await desk.stop(flat, id);
    await desk.tellFlat(id, flat.id);
    expect((await desk.ask("/release", { session: flat.id, abandon: true })).status).toBe(204);
    expect(await reportsOf(flat)).toEqual(["report.killed"]);
  });
});

describe("a release", () => {
  test("is refused while a session has not been told of its kill, since that would trade on, also where it is abandoned", async () => {
    const sessions = [await desk.put(), await desk.put({ state: "PAUSED" }), await desk.put({ state: "STOPPED" })];
    const { id } = await desk.kill({ account: ACCOUNT });
    for (const session of sessions) await desk.tellFlat(id, session.id);
    const [running, paused] = sessions as [Session, Session];
    const asked = [
      ["/release", { account: ACCOUNT }],
      ["/release", { account: ACCOUNT, abandon: true }],
      [STATE, { tradingState: "ACTIVE" }],
      [STATE, { tradingState: "REDUCING", abandon: true }],
    ] as const;
    for (const [path, body] of asked) {
      const { status, body: answer } = await desk.ask(path, body);
      expect([status, answer["detail"]]).toEqual([
        409,
        expect.stringMatching(/^2 killed sessions have not stopped yet, the first is \S+: wait until/),
      ]);
    }
    expect(await desk.decide(running, { number: 2 })).toMatchObject({ kind: "denied", code: "RISK_HALTED" });
    await desk.stop(running, id);
    expect((await desk.ask("/release", { account: ACCOUNT })).body["detail"]).toContain(`the first is ${paused.id}`);
    await desk.stop(paused, id);
    expect((await desk.ask("/release", { account: ACCOUNT })).status).toBe(204);
  });
});

describe("what is gone", () => {
  const isOpen = async () => (await world.database.db.sql`select 1 from alerts.open where code = 'KILLED'`).length > 0;

  test("is released all the same: a session that was deleted, an account that no setting names any more", async () => {
    const session = await desk.put();
    const { id } = await desk.kill({ session: session.id });
    await desk.tellFlat(id, session.id);
    await world.change(session, { state: "DELETED" });
    const { sql } = world.database.db;
    await sql`insert into reference.risk_states values ('account:gone', 3, null, 'killed by me', 1)`;
    for (const target of [{ session: session.id }, { account: "gone" }]) {
      expect((await desk.ask("/release", target)).status).toBe(204);
      expect((await desk.ask("/release", target)).status).toBe(404);
    }
    expect(await sql`select 1 from reference.risk_states`).toHaveLength(0);
    expect(await isOpen()).toBe(false);
  });
});

describe("the key of a kill", () => {
  test("gives the kill while it stands; once that is ended it is refused, since nothing would be halted", async () => {
    const key = { "idempotency-key": crypto.randomUUID() };
    const { id } = await desk.kill({ account: ACCOUNT }, key);
    expect((await desk.kill({ account: ACCOUNT }, key)).id).toBe(id);
    expect((await desk.ask(STATE, { tradingState: "ACTIVE" })).status).toBe(200);
    const again = await desk.ask("/kill", { account: ACCOUNT }, key);
    expect([again.status, again.body["detail"]]).toEqual([
      409,
      `This Idempotency-Key was used for the kill ${id}, which has been ended: nothing is halted by it. Ask with a new key.`,
    ]);
    expect((await desk.ask("/kill", { all: true }, key)).status).toBe(422);
    expect((await desk.kill({ account: ACCOUNT }, { "idempotency-key": crypto.randomUUID() })).id).not.toBe(id);
  });
});
