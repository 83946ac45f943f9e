import { expect } from "bun:test";
import { fillOf, riskSession, sent, type World } from "#services/risk-manager/risk-manager.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Db } from "#shared/db/db.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { signalOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import type { KillDeps } from "./kill.ts";
import { createKillRoutes } from "./kill-routes.ts";

export interface Answer {
  status: number;
  body: Record<string, unknown> & { id: string };
}

/** Asks the routes of the kill switch of a world, and stands for who makes its sessions flat. */
export class KillDesk {
  readonly #world: World;
  readonly #routes: ReturnType<typeof createKillRoutes>;

  /** `db`: what the routes ask, where that is not the world's own. */
  constructor(world: World, db: Db = world.ports.db) {
    this.#world = world;
    this.#routes = createKillRoutes({ ...world.ports, db } as unknown as KillDeps, world.ports.log);
  }

  /** Nothing is killed, and no session of an earlier test is there. */
  async clear(): Promise<void> {
    const { sql } = this.#world.database.db;
    await sql`delete from reference.risk_states`;
    await sql`update risk_manager.kills set ended_at_ms = 1 where ended_at_ms is null`;
    await sql`delete from alerts.open`;
    await sql`delete from queue.tasks where type = 'flatten-session'`;
    await sql`update reference.sessions set state = 'DELETED'`;
    await this.#world.putAccount("ACTIVE");
  }

  async ask(path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
    const method = body === undefined ? "GET" : path.endsWith("trading-state") ? "PUT" : "POST";
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = new Request(`http://localhost/api/risk-manager${path}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...json,
    });
    const answer = await this.#routes.handle(request);
    const text = await answer.text();
    return { status: answer.status, body: (text === "" ? {} : JSON.parse(text)) as Answer["body"] };
  }

  async kill(body: object, headers?: Record<string, string>): Promise<Answer["body"]> {
    const answer = await this.ask("/kill", body, headers);
    expect(answer.status).toBe(202);
    return answer.body;
  }

  put(more: Partial<Session> = {}): Promise<Session> {
    return putSession(this.#world.database.db.sql, riskSession(more));
  }

  /** Makes of a session what session-manager makes of one that it was told the kill of; null: that a person stops. */
  stop(session: Session, killId: string | null): Promise<void> {
    const { version } = session;
    return this.#world.change(session, { state: "STOPPING", stopPolicy: "flatten", killId, version: version + 1 });
  }

  /** Awaits the decision of a session's next signal. */
  async decide(session: Session, more: Parameters<typeof signalOf>[1] = {}) {
    const signal = signalOf(session, more);
    await this.#world.signal(signal);
    return until(async () => (await this.#world.decisions(session.id)).find(({ signal_id: id }) => id === signal.id));
  }

  /** A session that has bought ten at 100 and been told so. */
  async holding(): Promise<Session> {
    const session = await this.put();
    await this.decide(session);
    const [order] = await this.#world.placed(session.id);
    if (order === undefined) throw new Error("No order was made.");
    await this.#world.tell(sent(order), fillOf(order, session.id, "10"));
    await until(async () => (await this.#world.reserved(order.id)) === null);
    return session;
  }

  /** Tells that a session is flat, as order-position-tracker does. */
  async tellFlat(killId: string, sessionId: string, left: string | null = null): Promise<void> {
    await this.#world.database.db.sql`
      insert into order_position_tracker.flattened values (${killId}, ${sessionId}, ${left}, ${Date.now()})`;
  }

  /** Awaits that a statement with such a text waits for a lock, another one than began then; gives when it began. */
  waitingSince(text: string, notAt: string | null = null): Promise<string> {
    return until(async () => {
      const [found] = await this.#world.database.db.sql<{ at: string }[]>`
        select query_start::text as at from pg_stat_activity
        where wait_event_type = 'Lock' and query like ${`%${text}%`} and datname = current_database()
          and query_start::text is distinct from ${notAt}::text`;
      return found?.at;
    });
  }

  /** Awaits that a statement with such a text waits for a lock. */
  async waiting(text: string): Promise<void> {
    await this.waitingSince(text);
  }
}
