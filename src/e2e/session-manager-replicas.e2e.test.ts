import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually, type RunningProcess } from "#testing/alone.fixture.ts";
import { createSyntheticWorld, type SyntheticWorld } from "#testing/synthetic-world.fixture.ts";

/** Three replicas of session-manager behind a plain round robin, of which one is killed and one frozen while many sessions are made. */

const VENUE = ["paper-exchange", "data-collect", "market-data"];
const REST = ["strategy-executor", "order-position-tracker", "risk-manager"];
const PERSONS = 6;
/** So long a person waits between two sessions. */
const PAUSE_MS = 300;
/** So long the round robin waits for a replica. */
const PATIENCE_MS = 1_500;
const FROZEN_MS = 5_000;
/** A request is answered by a replica that lives at its third try at the latest, each after the round robin's patience. */
const LONGEST_PAUSE_MS = 10_000;
/** What a person may be told besides the result: to ask again. 502 and 504 are the round robin's own. */
const RETRYABLE = [502, 503, 504];

let world: SyntheticWorld;
const replicas: RunningProcess[] = [];
let balancer: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  world = await createSyntheticWorld("replicas", { together: [VENUE, REST], tradeEveryMs: 500 });
  await world.start(VENUE);
  await world.start(REST);
  for (let count = 0; count < 3; count += 1) replicas.push(await world.start(["session-manager"], { extra: true }));
  balancer = roundRobin(replicas.map(({ url }) => url));
}, 90_000);
afterAll(async () => {
  await balancer.stop(true);
  await world.close();
});

/** Hands each request to the next replica, whatever became of the one before; what does not answer in time is a 504. */
function roundRobin(urls: readonly string[]) {
  let turn = 0;
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = urls[turn++ % urls.length] ?? "";
      const { pathname, search } = new URL(request.url);
      const headers = new Headers(request.headers);
      headers.delete("host");
      const body = await request.text();
      try {
        return await fetch(`${url}${pathname}${search}`, {
          method: request.method,
          headers,
          ...(body === "" ? {} : { body }),
          keepalive: false,
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
      } catch (error) {
        const late = error instanceof Error && error.name === "TimeoutError";
        return new Response("The replica did not answer.", { status: late ? 504 : 502 });
      }
    },
  });
}

interface Told {
  id: string;
  state: string;
  run: number;
}
/** What the persons were told, and when. */
const answers = new Map<number, number>();
const resultsAtMs: number[] = [];
let longestMs = 0;

/** Asks until there is a result, each time under the same key, as a person's program does. */
async function ask(path: string, key: string, body?: object): Promise<Told> {
  const beganMs = performance.now();
  for (;;) {
    const answer = await fetch(`${balancer.url.origin}/api/session-manager/sessions${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    answers.set(answer.status, (answers.get(answer.status) ?? 0) + 1);
    const text = await answer.text();
    if (answer.ok) {
      resultsAtMs.push(performance.now());
      longestMs = Math.max(longestMs, performance.now() - beganMs);
      return JSON.parse(text) as Told;
    }
    if (!RETRYABLE.includes(answer.status)) throw new Error(`${path} ${key} answered ${answer.status}: ${text}`);
  }
}

/** Makes sessions until it is over, starts each and stops every second one; gives what they are to be. */
async function person(
  number: number,
  isOver: () => boolean,
): Promise<{ id: string; name: string; stopped: boolean }[]> {
  const made = [];
  for (let count = 0; !isOver(); count += 1) {
    const name = `person ${number}, session ${count}`;
    const { id } = await ask("", `${name}, create`, {
      name,
      strategy: "sma-cross",
      params: { fast: 20, slow: 60 },
      instrumentIds: [world.instrumentId],
      timeFrame: "1s",
      accountId: world.accountId,
      capital: "100",
      riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
    });
    expect((await ask(`/${id}/start`, `${name}, start`)).run).toBe(1);
    const stopped = count % 2 === 1;
    if (stopped) await ask(`/${id}/stop`, `${name}, stop`);
    made.push({ id, name, stopped });
    await Bun.sleep(PAUSE_MS);
  }
  return made;
}

/** The longest time in which nobody got a result. */
function longestGapMs(): number {
  return Math.max(...resultsAtMs.map((atMs, index) => atMs - (resultsAtMs[index - 1] ?? atMs)));
}

test("one replica is killed, one frozen and woken: no session is lost or doubled, and no answer is anything but the result or one to ask again", async () => {
  let over = false;
  const working = Promise.all(Array.from({ length: PERSONS }, (_, number) => person(number, () => over)));
  const faults = (async () => {
    await Bun.sleep(2_000);
    const [first, second] = replicas;
    if (first === undefined || second === undefined) throw new Error("There are no replicas.");
    await world.kill(first);
    await Bun.sleep(2_000);
    process.kill(second.pid, "SIGSTOP");
    await Bun.sleep(FROZEN_MS);
    process.kill(second.pid, "SIGCONT");
    await Bun.sleep(2_000);
    over = true;
  })();
  const [made] = await Promise.all([working, faults]);
  const sessions = made.flat();

  const rows = await eventually(
    "every session is RUNNING or STOPPED",
    async () => {
      const found = await world.database.db.sql<{ id: string; name: string; state: string; run: number }[]>`
        select id, session ->> 'name' as name, state, run from reference.sessions order by id`;
      return found.every(({ state }) => state === "RUNNING" || state === "STOPPED") && found;
    },
    90_000,
  );
  const wanted = sessions
    .map(({ id, name, stopped }) => ({ id, name, state: stopped ? "STOPPED" : "RUNNING", run: 1 }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  expect([...rows]).toEqual(wanted);
  const asked = await world.database.db.sql<{ kind: string; count: number }[]>`
    select cause as kind, count(*)::int as count from session_manager.events
    where by = 'local' group by cause order by cause`;
  const stops = sessions.filter(({ stopped }) => stopped).length;
  expect([...asked]).toEqual([
    { kind: "create", count: sessions.length },
    { kind: "start", count: sessions.length },
    { kind: "stop", count: stops },
  ]);
  // Each of the faults was met, or nothing is proven.
  for (const status of [502, 504]) expect([status, (answers.get(status) ?? 0) > 0]).toEqual([status, true]);
  const pauseMs = Math.round(longestGapMs());
  const figures = {
    sessions: sessions.length,
    stops,
    answers: Object.fromEntries(answers),
    pauseMs,
    slowestMs: Math.round(longestMs),
  };
  process.stdout.write(`${JSON.stringify({ replicas: 3, ...figures })}\n`);
  expect(pauseMs).toBeLessThan(LONGEST_PAUSE_MS);
}, 240_000);
