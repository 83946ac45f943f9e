import { type RoleHistory, readRoleHistories } from "#services/monitoring/instances/instance-store.ts";
import type { Standings } from "#services/monitoring/instances/standings.ts";
import { readWaiting } from "#shared/bus/read-waiting.ts";
import { readSessions } from "#shared/db/reference-rows.ts";
import { readFailed } from "#shared/dead/read-failed.ts";
import { AT_WORK, type Session } from "#shared/domain/session.ts";
import { reasonOf } from "#shared/errors/app-error.ts";
import { type RoleLeader, readLeaders } from "#shared/leader/read-leaders.ts";
import { PLACE_ORDER } from "#shared/messages/tasks.ts";
import { readWaitingTasks } from "#shared/queue/read-waiting-tasks.ts";
import type { Deps } from "#shared/service/service.ts";
import type { Sample, Source } from "./facts.ts";
import {
  busSamples,
  type Exposed,
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
const MOST_ORDERS = 100;
/** Sessions whose tracker is asked in one look. */
const MOST_SESSIONS = 50;

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
  const [waiting, backlog, failed, leaders, memory, orders, exposed] = await Promise.all([
    see("bus", () => readWaiting(db.sql)),
    see("queue", () => queue.backlog()),
    see("failed-work", () => readFailed(db.sql)),
    see("leaders", () => readRoles(deps, nowMs)),
    see("redis", () => deps.redisMemory()),
    see("orders", () => readWaitingTasks(db.sql, PLACE_ORDER, { olderThanMs: ORDER_AFTER_MS, limit: MOST_ORDERS })),
    see("sessions", () => readExposed(deps)),
  ]);
  if (standings === null) blind.set("heartbeats", "no heartbeat is heard, not even this process's own");
  const samples = [
    ...(standings === null ? [] : instanceSamples(standings)),
    ...busSamples(waiting ?? []),
    ...queueSamples(backlog ?? [], nowMs),
    ...failedSamples(failed ?? []),
    ...leaderSamples(leaders?.roles ?? [], leaders?.histories ?? new Map()),
    ...(memory === null ? [] : redisSample(memory)),
    ...orderSamples(orders ?? []),
    ...exposedSamples(exposed ?? []),
    ...[...blind].map(([source, detail]): Sample => {
      return { fact: "monitoring.blind", subject: `source:${source}`, label: source, value: 1, detail };
    }),
  ];
  return { samples, blind, roles: leaders?.roles ?? null };
}

/** What the sessions at work that run with something missing hold: their tracker is asked, for those alone. */
async function readExposed({ db, clients }: MeasureDeps): Promise<Exposed[]> {
  // One that cannot be read is told of by who carries it out.
  const sessions = await readSessions(db.sql, { states: AT_WORK, onUnreadable: () => undefined });
  // Nothing moves any more at a replay that has shown its last bar.
  const misses = ({ degraded }: Session) => degraded.some(({ code }) => code !== "MARKET_ENDED");
  const degraded = sessions.filter(misses).slice(0, MOST_SESSIONS);
  return await Promise.all(
    degraded.map(async (session) => ({ session, ...(await clients.orderPositionTracker.exposure(session.id)) })),
  );
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
