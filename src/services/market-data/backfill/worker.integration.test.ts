import { describe, expect, test } from "bun:test";
import { MINUTE_MS } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { act, ask, FEW, hold, listMinutes, look, minutesOf, over } from "./backfill.fixture.ts";

const at = replicasOfEachTest();
const bars = (from: number, to: number): void => listMinutes(at.venue, from, to);

describe("a venue that does not answer", () => {
  test("is asked again, and the back-fill says why; then it goes on", async () => {
    bars(0, 1_500);
    const replica = await at.start(FEW);
    await replica.ensure();
    at.venue.failures = 1;
    const { id } = await ask(replica, { fromMs: 0 });
    await until(async () => (await look(replica, id)).error === "data-collect is away.");
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 1_497, error: null });
  });

  test("for good ends it as FAILED with the reason; resumed, it goes on where its pages stopped", async () => {
    bars(0, 2_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 2);
    const { id } = await ask(replica, { fromMs: 0 });
    await held.asked;
    at.venue.failures = 2;
    held.release();
    expect(await over(replica, id)).toMatchObject({
      state: "FAILED",
      added: 1_000,
      error: "The venue was asked 2 times in vain. At last: data-collect is away.",
    });
    expect(await minutesOf(replica)).toMatchObject({ from: 1_597 });
    await act(replica, id, "resume");
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 2_597, error: null });
    expect(await minutesOf(replica)).toEqual({ firstN: -2_596, from: 0, to: 2_600 });
  });

  test("that refuses is not asked again", async () => {
    bars(0, 1_500);
    const replica = await at.start({ ...FEW, R3_MARKET_DATA_BACKFILL_TRIES: "100" });
    await replica.ensure();
    at.venue.bars = async () => {
      throw new AppError("VENUE_REFUSED", "permanent", "The venue knows no such symbol.");
    };
    const { id } = await ask(replica, { fromMs: 0 });
    expect(await over(replica, id)).toMatchObject({ state: "FAILED", error: "The venue knows no such symbol." });
  });
});

describe("the worker of a back-fill", () => {
  test("that stands still is taken over, and adds nothing when it wakes up", async () => {
    bars(0, 2_600);
    const [frozen, other] = [await at.start(FEW), await at.start(FEW)];
    await frozen.ensure();
    const held = hold(at.venue, 2);
    const { id } = await ask(frozen, { fromMs: 0 });
    await held.asked;
    // As if its process stood still for longer than its lease.
    await at.database.db
      .sql`update queue.lanes set epoch = epoch + 1, owner = null, wake_at = now() where lane = ${id}`;
    expect(await over(other, id)).toMatchObject({ state: "DONE", added: 2_597 });
    const loses = "A lane was lost to another worker";
    expect(frozen.logged.filter((line) => line.includes(loses))).toEqual([]);
    held.release();
    await until(async () => frozen.logged.some((line) => line.includes(loses)));
    expect(await minutesOf(other)).toEqual({ firstN: -2_596, from: 0, to: 2_600 });
    expect(await look(other, id)).toMatchObject({ state: "DONE", added: 2_597 });
  });

  test("that stops puts it back at once, and another one goes on", async () => {
    bars(0, 12_600);
    const [one, other] = [await at.start(FEW), await at.start(FEW)];
    await one.ensure();
    const held = hold(at.venue, 2);
    const { id } = await ask(one, { count: 4_000 });
    await held.asked;
    const stopping = one.stop();
    held.release();
    await stopping;
    expect(await over(other, id)).toMatchObject({ state: "DONE", added: 3_997 });
    expect(await minutesOf(other)).toEqual({ firstN: -3_996, from: 8_600, to: 12_600 });
  });

  test("makes room after some pages: of more back-fills than lanes none waits for another's end", async () => {
    const LONG = 40_000;
    bars(0, LONG);
    const replica = await at.start({ ...FEW, R3_MARKET_DATA_BACKFILL_CONCURRENCY: "1" });
    await replica.ensure();
    at.venue.bars_ = [
      ...at.venue.bars_,
      ...at.venue.bars_
        .slice(0, 500)
        .map((bar) => ({ ...bar, timeFrame: "3m" as const, closeAtMs: bar.openAtMs + 3 * MINUTE_MS })),
    ];
    await replica.ensure({ timeFrame: "3m" });
    const held = hold(at.venue, 2);
    const long = await ask(replica, { fromMs: 0 });
    await held.asked;
    const short = await ask(replica, { timeFrame: "3m", fromMs: 0 });
    held.release();
    expect(await over(replica, short.id)).toMatchObject({ state: "DONE" });
    expect((await look(replica, long.id)).state).toBe("RUNNING");
    expect(await over(replica, long.id)).toMatchObject({ state: "DONE", added: LONG - 3 });
  }, 30_000);

  test("whose task is dead begins anew with a resume", async () => {
    bars(0, 2_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 2);
    const { id } = await ask(replica, { fromMs: 0 });
    await held.asked;
    await at.database.db.sql`update queue.tasks set state = 'dead' where lane = ${id}`;
    await at.database.db.sql`update queue.lanes set epoch = epoch + 1, owner = null, wake_at = null where lane = ${id}`;
    held.release();
    expect(await look(replica, id)).toMatchObject({ state: "RUNNING", added: 1_000 });
    expect(await act(replica, id, "resume")).toMatchObject({ id });
    expect(await act(replica, id, "resume")).toMatchObject({ id });
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 2_597 });
    const tasks = await at.database.db.sql`select state from queue.tasks where lane = ${id} order by seq`;
    expect(tasks.map(({ state }) => state)).toEqual(["dead", "done"]);
    expect(await minutesOf(replica)).toEqual({ firstN: -2_596, from: 0, to: 2_600 });
  });

  test("hears of it though Redis has lost all of its keys", async () => {
    bars(0, 2_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    await replica.stop();
    const again = await at.start(FEW);
    const held = hold(at.venue, 2);
    const { id } = await ask(again, { fromMs: 0 });
    await held.asked;
    await at.loseKeys();
    held.release();
    expect(await over(again, id)).toMatchObject({ state: "DONE", added: 2_597 });
  });
});
