import { afterAll, beforeAll, expect, test } from "bun:test";
import { postJson } from "#local/rest.ts";
import { type Desk, KEY, openDesk } from "#services/notification/desk.fixture.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { systemClock } from "#shared/clock/system.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { createWorld, type World } from "#testing/alone-world.fixture.ts";

const RECIPIENTS = Array.from({ length: 20 }, (_, index) => `desk-${index}`);
const ALERTS = 200;
/** Alerts of one transaction. */
const AT_ONCE = 20;
const ANSWER_AFTER_MS = 5;
/** After the kill a lease runs out, then the sweeper finds the lane. */
const LONGEST_PAUSE_MS = 15_000;
/** What a lane sends before it notes it, and so may repeat. */
const MOST_UNNOTED = 20;

/** A message as it arrived. */
interface Arrival {
  seq: number;
  id: string;
  body: string;
  atMs: number;
}

let world: World;
let desk: Desk;
const processes: RunningProcess[] = [];
const arrivals = new Map<string, Arrival[]>(RECIPIENTS.map((name) => [name, []]));

beforeAll(async () => {
  world = await createWorld();
  desk = openDesk();
  desk.answer = async ({ path, body }) => {
    const { seq, id } = JSON.parse(body) as Arrival;
    arrivals.get(path.slice(1))?.push({ seq, id, body, atMs: performance.now() });
    await Bun.sleep(ANSWER_AFTER_MS);
    return new Response("ok");
  };
  for (let count = 0; count < 2; count += 1) processes.push(await startProcess(["notification"], world.settings));
  for (const one of processes) await untilReady(one);
});

afterAll(async () => {
  for (const one of processes) await one.stop();
  await desk.close();
  await world.close();
});

const counted = () => [...arrivals.values()].reduce((sum, { length }) => sum + length, 0);
const isAll = () => [...arrivals.values()].every((each) => new Set(each.map(({ seq }) => seq)).size === ALERTS);

/** How many instances hold lanes. */
async function holders(): Promise<number> {
  const rows = await world.db.sql`
    select distinct owner from queue.lanes where queue = 'notification' and lease_until > clock_timestamp()`;
  return rows.length;
}

async function raiseAlerts(): Promise<void> {
  const kind = { code: "TEST", severity: "warning", meaning: "It is so.", toDo: "Look.", ends: "condition" } as const;
  for (let from = 0; from < ALERTS; from += AT_ONCE)
    await world.db.transaction(async (tx) => {
      for (let n = from; n < from + AT_ONCE; n += 1)
        await raiseAlert(
          tx,
          { bus: world.bus, clock: systemClock },
          { scope: `topic:${n}`, kind, text: "So.", data: {} },
        );
    });
}

/** What came twice to one recipient: each with the time between both. */
function repeatsOf(each: readonly Arrival[]): { first: Arrival; again: Arrival }[] {
  const seen = new Map<number, Arrival>();
  return each.flatMap((arrival) => {
    const first = seen.get(arrival.seq);
    if (first === undefined) seen.set(arrival.seq, arrival);
    return first === undefined ? [] : [{ first, again: arrival }];
  });
}

/** The longest time without a message, around an instant. */
function pauseAround(each: readonly Arrival[], atMs: number): number {
  const after = each.findIndex((arrival) => arrival.atMs > atMs);
  const [before, next] = [each[after - 1], each[after]];
  return before === undefined || next === undefined ? 0 : next.atMs - before.atMs;
}

test("two instances, one killed: each message arrives, in order for each recipient, and repeats within the kill alone, under one id", async () => {
  const [killed, other] = processes as [RunningProcess, RunningProcess];
  for (const name of RECIPIENTS) {
    const channel = { type: "webhook", url: `${desk.url}/${name}`, secret: KEY };
    await postJson(`${other.url}/api/notification/recipients`, { name, channel, events: ["alerts"] });
  }
  await raiseAlerts();
  await eventually("both have sent a part", async () => counted() > RECIPIENTS.length * 10 && (await holders()) === 2);
  process.kill(killed.pid, "SIGKILL");
  const killedAtMs = performance.now();
  const before = counted();
  expect(before).toBeLessThan(RECIPIENTS.length * ALERTS);
  await eventually("all have arrived", isAll, 60_000);
  const told = [...arrivals.values()].map((each) => ({ each, repeats: repeatsOf(each) }));
  const repeated = told.reduce((sum, { repeats }) => sum + repeats.length, 0);
  const longestMs = Math.max(...told.map(({ each }) => pauseAround(each, killedAtMs)));
  process.stdout.write(
    `${RECIPIENTS.length} recipients, ${RECIPIENTS.length * ALERTS} messages, ${before} before the kill, ${repeated} repeated, ` +
      `longest pause of a recipient ${(longestMs / 1_000).toFixed(1)} s\n`,
  );
  const numbers = Array.from({ length: ALERTS }, (_, index) => index + 1);
  for (const { each, repeats } of told) {
    const again = new Set(repeats.map((repeat) => repeat.again));
    expect(each.filter((arrival) => !again.has(arrival)).map(({ seq }) => seq)).toEqual(numbers);
    for (const { first, again: second } of repeats) {
      expect({ id: second.id, body: second.body }).toEqual({ id: first.id, body: first.body });
      expect(first.atMs).toBeLessThan(killedAtMs + 1_000);
      expect(second.atMs).toBeGreaterThan(killedAtMs);
    }
    // What is repeated is one row of numbers, in order.
    const from = repeats[0]?.first.seq ?? 0;
    expect(repeats.map(({ first }) => first.seq)).toEqual(repeats.map((_, index) => from + index));
    expect(repeats.length).toBeLessThanOrEqual(MOST_UNNOTED);
  }
  expect(repeated).toBeGreaterThan(0);
  expect(longestMs).toBeLessThan(LONGEST_PAUSE_MS);
}, 120_000);
