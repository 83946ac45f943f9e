import { type RoleHistory, readRoleHistories } from "#services/monitoring/instances/instance-store.ts";
import type { Standings } from "#services/monitoring/instances/standings.ts";
import { readWaiting } from "#shared/bus/read-waiting.ts";
import { anyMissesSomething } from "#shared/db/reference-rows.ts";
import { readFailed } from "#shared/dead/read-failed.ts";
import { reasonOf } from "#shared/errors/app-error.ts";
import type { ExposedSession } from "#shared/http/clients.ts";
import { type RoleLeader, readLeaders } from "#shared/leader/read-leaders.ts";
import { CANCEL_ORDER, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { readWaitingLanes, type WaitingLane } from "#shared/queue/read-waiting-lanes.ts";
import type { Deps } from "#shared/service/service.ts";
import type { Sample, Source } from "./facts.ts";
import {
  busSamples,
  exposedSamples,
  failedSamples,
  instanceSamples,
  leaderSamples,
  orderSamples,
  queueSamples,
  redisSample,
} from "./samples.ts";

/** How long an answer is waited for. */
const DEADLINE_MS = 3_000;
/** Over which time changes of a role's leader are counted. */
const CHANGES_WITHIN_MS = 600_000;
/** An order that is younger is no news. */
const ORDER_AFTER_MS = 10_000;
/** Rows of one page. */
const PAGE = 1_000;
/** Subjects of one source that a look holds in memory; those beyond are not seen. */
const MOST_SUBJECTS = 20_000;

export type MeasureDeps = Pick<Deps, "db" | "queue" | "clients" | "redisMemory" | "clock">;

/** What was seen, and what could not be. */
export interface Measured {
  samples: Sample[];
  /** By what cannot be seen: why, in a phrase. */
  blind: ReadonlyMap<Source, string>;
  /** Null: could not be seen. */
  roles: RoleLeader[] | null;
}

/** Measures all that rules can be about, each source apart and within its deadline. `standings` null: nobody is heard. */
export async function measure(deps: MeasureDeps, standings: readonly Standings[] | null): Promise<Measured> {
  const { db, queue, clock } = deps;
  const nowMs = clock.nowMs();
  const blind = new Map<Source, string>();
  const see = async <Answer>(source: Source, ask: () => Promise<Answer>): Promise<Answer | null> => {
    try {
      return await within(deps, ask);
    } catch (error) {
      blind.set(source, reasonOf(error));
      return null;
    }
  };
  // What was seen before a page failed is held against the rules; the alerts of what was not stay.
  const seeAll = async <Row, At>(source: Source, readPage: (after: At | null) => Promise<Part<Row, At>>) => {
    const rows: Row[] = [];
    let next: At | null = null;
    do {
      const part: Part<Row, At> | null = await see(source, () => readPage(next));
      rows.push(...(part?.rows ?? []));
      next = part?.next ?? null;
    } while (next !== null && rows.length < MOST_SUBJECTS);
    if (next !== null) blind.set(source, `there are more than ${MOST_SUBJECTS}`);
    return rows;
  };
  const [waiting, backlog, failed, leaders, memory, orders, exposed] = await Promise.all([
    see("bus", () => readWaiting(db.sql)),
    see("queue", () => queue.backlog()),
    see("failed-work", () => readFailed(db.sql)),
    see("leaders", () => readRoles(deps, nowMs)),
    see("redis", () => deps.redisMemory()),
    seeAll("orders", (after: WaitingLane | null) => readStuckOrders(deps, after)),
    seeAll("sessions", (after: string | null) => readExposed(deps, after)),
  ]);
  if (standings === null) blind.set("heartbeats", "no heartbeat is heard, not even this process's own");
  const samples = [
    ...(standings === null ? [] : instanceSamples(standings)),
    ...busSamples(waiting ?? []),
    ...queueSamples(backlog ?? [], nowMs),
    ...failedSamples(failed ?? []),
    ...leaderSamples(leaders?.roles ?? [], leaders?.histories ?? new Map()),
    ...(memory === null ? [] : redisSample(memory)),
    ...orderSamples(orders),
    ...exposedSamples(exposed),
    ...[...blind].map(([source, detail]): Sample => {
      return { fact: "monitoring.blind", subject: `source:${source}`, label: source, value: 1, detail };
    }),
  ];
  return { samples, blind, roles: leaders?.roles ?? null };
}

/** A part of a list. `next`: where the part behind it begins; null: there is none. */
interface Part<Row, At> {
  rows: Row[];
  next: At | null;
}

/** Orders that are on their way, and those whose cancel is. */
async function readStuckOrders(
  { db }: MeasureDeps,
  after: WaitingLane | null,
): Promise<Part<WaitingLane, WaitingLane>> {
  const of = { olderThanMs: ORDER_AFTER_MS, after: after?.lane ?? "", limit: PAGE };
  const rows = await readWaitingLanes(db.sql, [PLACE_ORDER, CANCEL_ORDER], of);
  return { rows, next: rows.length < PAGE ? null : (rows.at(-1) ?? null) };
}

/** What the sessions at work that run with something missing hold: their tracker is asked, where there are such. */
async function readExposed({ db, clients }: MeasureDeps, after: string | null): Promise<Part<ExposedSession, string>> {
  if (after === null && !(await anyMissesSomething(db.sql))) return { rows: [], next: null };
  const { items, nextCursor } = await clients.orderPositionTracker.exposed(after);
  return { rows: items, next: nextCursor };
}

async function readRoles(
  { db }: MeasureDeps,
  nowMs: number,
): Promise<{ roles: RoleLeader[]; histories: Map<string, RoleHistory> }> {
  const [roles, histories] = await Promise.all([
    readLeaders(db.sql),
    readRoleHistories(db.sql, nowMs - CHANGES_WITHIN_MS),
  ]);
  return { roles, histories };
}

async function within<Answer>({ clock }: MeasureDeps, ask: () => Promise<Answer>): Promise<Answer> {
  const late = Promise.withResolvers<never>();
  const forget = clock.after(DEADLINE_MS, () => late.reject(new Error(`no answer within ${DEADLINE_MS} ms`)));
  try {
    return await Promise.race([ask(), late.promise]);
  } finally {
    forget();
  }
}
