import { z } from "zod";
import type { Sql } from "#shared/db/db.ts";
import { struckSchema } from "./venue-faults.ts";

/** What the venue's control state says of the replay and of our account there. */
export const venueStateSchema = z.object({
  step: z.number().int(),
  /** Closed bars so far. */
  bar: z.number().int(),
  /** It stands, and goes on when released. */
  halted: z.boolean(),
  /** Executions so far. */
  fillCount: z.number().int(),
  /** Orders that have ended so far. */
  terminalCount: z.number().int(),
  /** Client order ids of those that are open. */
  openOrders: z.array(z.string()),
});
export type VenueState = z.infer<typeof venueStateSchema>;

const snapshotSchema = z.object({
  sessionState: z.string().nullable(),
  openTasks: z.number(),
  deadTasks: z.number(),
  behind: z.number(),
  /** Events that a group has passed without their effect, parked or dead. */
  parked: z.number(),
  candleN: z.number(),
  equityN: z.number(),
  fills: z.number(),
  /** Of those that the venue has taken: what ended unsent never ends there. */
  terminalOrders: z.number(),
  openOrders: z.array(z.string()),
  orders: z.number(),
  equity: z.string().nullable(),
});
/** One snapshot of the engine's database. */
export type EngineSnapshot = z.infer<typeof snapshotSchema>;

/** What the conductor writes for those who watch, whole at each moment. */
export const progressSchema = z.object({
  bar: z.number().int(),
  orders: z.number().int(),
  equity: z.string().nullable(),
  waitsFor: z.string().nullable(),
  /** The last bar is closed and the engine is at rest. */
  done: z.boolean(),
  /** Faults of the venue that have struck. */
  faults: z.array(struckSchema),
});
export type Progress = z.infer<typeof progressSchema>;

/**
 * Reads all that says whether the engine is at rest in one statement, which is one snapshot: since every hand-over is
 * inside a commit, nothing can hide between its parts.
 */
export async function engineSnapshot(sql: Sql, session: { id: string; accountId: string }): Promise<EngineSnapshot> {
  const [row] = await sql`
    select
      (select state from reference.sessions where id = ${session.id}) as "sessionState",
      (select count(*)::int from queue.tasks where state = 'open') as "openTasks",
      (select count(*)::int from queue.tasks where state = 'dead') as "deadTasks",
      (select count(*)::int from bus.positions p join bus.partitions l using (topic, part)
        where p.seq < l.next_seq - 1) as "behind",
      (select count(*)::int from bus.parked) as "parked",
      coalesce((select candle_n from strategy_executor.runs where session_id = ${session.id}), 0)::int as "candleN",
      coalesce((select candle_n from order_position_tracker.equity_cursors where session_id = ${session.id}), 0)::int as "equityN",
      (select count(*)::int from order_position_tracker.fills where account_id = ${session.accountId}) as "fills",
      (select trim_scale(equity)::text from order_position_tracker.equity_points where session_id = ${session.id}
        order by candle_n desc limit 1) as "equity",
      o.terminal as "terminalOrders", o.open as "openOrders", o.total as "orders"
    from (
      select count(*) filter (where not is_open and venue_order_id is not null)::int as terminal,
        coalesce(array_agg(client_order_id) filter (where is_open), '{}') as open,
        count(*)::int as total
      from order_position_tracker.orders where account_id = ${session.accountId}
    ) o`;
  return snapshotSchema.parse(row);
}

/** Why the engine is not at rest with the venue, one phrase; null: it is. */
export function restlessness(venue: VenueState, engine: EngineSnapshot): string | null {
  if (!venue.halted) return "the venue is between two halts";
  if (engine.sessionState !== "RUNNING") return `the session is ${engine.sessionState ?? "not there"}`;
  if (engine.openTasks > 0) return `${engine.openTasks} tasks are open`;
  if (engine.deadTasks > 0) return `${engine.deadTasks} tasks are dead`;
  if (engine.behind > 0) return `${engine.behind} positions are behind their logs`;
  if (engine.parked > 0) return `${engine.parked} events are parked or dead`;
  if (engine.candleN < venue.bar) return `the strategy has seen bar ${engine.candleN} of ${venue.bar}`;
  if (engine.equityN < venue.bar) return `equity stands at bar ${engine.equityN} of ${venue.bar}`;
  if (engine.fills !== venue.fillCount) return `${engine.fills} of the venue's ${venue.fillCount} fills are booked`;
  if (engine.terminalOrders < venue.terminalCount) return "an order that ended at the venue is open here";
  const here = new Set(engine.openOrders);
  return venue.openOrders.every((id) => here.has(id)) ? null : "an order that is open at the venue is not known here";
}
