import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { AppError } from "#shared/errors/app-error.ts";
import type { TaskType } from "#shared/queue/queue.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { json } from "#testing/alone-work.fixture.ts";
import { createWorld, putReferences, SESSION, type World } from "#testing/alone-world.fixture.ts";

interface Job {
  name: string;
  data: { lane: string };
  returnValue: unknown;
  failedReason: string | null;
}
interface Board {
  queues: { name: string; readOnlyMode: boolean; jobs: Job[] }[];
}

/** A task of a queue that the board shows, worked here. */
const CHECK = {
  queue: "risk-manager",
  type: "decide-signal",
  lane: "a lane of the test",
  payload: z.object({ works: z.boolean() }),
  onDead: "skip",
} satisfies TaskType;

let world: World;
let dashboard: RunningProcess;
beforeAll(async () => {
  world = await createWorld();
  await putReferences(world);
  dashboard = await startProcess(["dashboard"], world.settings);
  await untilReady(dashboard);
});
afterAll(async () => {
  await dashboard.stop();
  await world.close();
});

async function jobsOf(status: string): Promise<Job[]> {
  const board = (await json(`${dashboard.url}/queues/api/queues?activeQueue=risk-manager&status=${status}`)) as unknown;
  return (board as Board).queues.find(({ name }) => name === "risk-manager")?.jobs ?? [];
}

describe("the board of the queues", () => {
  test("shows of a job its task's type, its lane, what it came to, and why it failed", async () => {
    const { db, queue } = world;
    const working = queue.work({
      queue: CHECK.queue,
      tasks: [CHECK],
      concurrency: 1,
      mode: "transaction",
      async handle(_tx, tasks) {
        if (tasks.some(({ payload }) => !payload.works))
          throw new AppError("INVALID_INPUT", "permanent", "It was meant to.");
        return tasks.map(() => ({ kind: "approved" }));
      },
    });
    await working.ready;
    for (const works of [true, false]) {
      await db.transaction((tx) => queue.enqueue(tx, { task: CHECK, lane: `lane-${works}`, payload: { works } }));
    }
    const [done] = await eventually("a job that is done", async () => {
      const jobs = await jobsOf("completed");
      return jobs.some(({ data }) => data.lane === "lane-true") && jobs;
    });
    const [failed] = await eventually("a job that failed", async () => {
      const jobs = await jobsOf("failed");
      return jobs.length > 0 && jobs;
    });
    await working.close();
    expect(done).toMatchObject({
      name: "decide-signal",
      data: { lane: "lane-true" },
      returnValue: { kind: "approved" },
    });
    expect(failed).toMatchObject({
      name: "decide-signal",
      data: { lane: "lane-false" },
      failedReason: "It was meant to.",
    });
  });

  test("names and loads nothing from elsewhere, and each of its own files is there", async () => {
    const answer = await fetch(`${dashboard.url}/queues`);
    const html = await answer.text();
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*/);
    expect(html).not.toMatch(/(?:src|href)="https?:/);
    const files = [...html.matchAll(/(?:src|href)="(static[^"]+)"/g)].map(([, path]) => path as string);
    expect(files.length).toBeGreaterThan(3);
    for (const path of files) {
      const file = await fetch(`${dashboard.url}/queues/${path}`);
      expect([path, file.status]).toEqual([path, 200]);
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(100);
    }
  });

  test.each(["PUT", "POST", "PATCH", "DELETE"])("refuses %s: it is there to be read", async (method) => {
    const path = `${dashboard.url}/queues/api/queues/risk-manager/pause`;
    const answer = await fetch(path, { method, body: "{}", headers: { "content-type": "application/json" } });
    expect(answer.status).toBe(405);
    const board = (await json(`${dashboard.url}/queues/api/queues`)) as unknown as Board;
    expect(board.queues.every(({ readOnlyMode }) => readOnlyMode)).toBeTrue();
  });

  test.each(["nope", "static/no.js", "static/%2e%2e/%2e%2e/package.json"])("has no page %s", async (path) => {
    expect((await fetch(`${dashboard.url}/queues/${path}`)).status).toBe(404);
  });

  test("is not shown to whom a proxy asks for", async () => {
    const answer = await fetch(`${dashboard.url}/queues/`, { headers: { "x-forwarded-for": "192.0.2.1" } });
    expect({ status: answer.status, code: ((await answer.json()) as { code: string }).code }).toEqual({
      status: 403,
      code: "LOOPBACK_ONLY",
    });
  });
});

describe("the start page", () => {
  test("shows sessions, alerts and what waits, escaped, and loads itself anew", async () => {
    const { db } = world;
    const name = "<script>alert(1)</script>";
    await db.sql`update reference.sessions set session = jsonb_set(session, '{name}', to_jsonb(${name}::text))`;
    await db.sql`
      insert into alerts.open (scope, code, severity, text, data, raised_at_ms)
      values ('queue:x', 'TASK_DEAD', 'critical', 'A task is <b>dead</b>.', '{}', 1)`;
    const html = await (await fetch(`${dashboard.url}/`)).text();
    expect(html).toContain(`<meta http-equiv="refresh" content="5">`);
    expect(html).toContain(`href="/api/session-manager/sessions/${SESSION.id}"`);
    expect(html).not.toContain("<script>");
    expect(html).toContain("A task is &#60;b&#62;dead&#60;/b&#62;.");
    const overview = (await json(`${dashboard.url}/api/dashboard/overview`)) as {
      sessionCounts: unknown;
      alerts: unknown[];
    };
    expect(overview).toMatchObject({
      sessionCounts: { [SESSION.state]: 1 },
      alertCounts: { critical: 1 },
      services: [],
      alerts: [{ code: "TASK_DEAD" }],
    });
  });
});
