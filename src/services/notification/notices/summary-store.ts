import { countOpenAlerts } from "#shared/alerts/open-alerts.ts";
import type { Sql } from "#shared/db/db.ts";
import { countSessionStates, readSessionNames } from "#shared/db/reference-rows.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Day } from "./summary.ts";

interface FillsRow {
  sessionId: string;
  fills: number;
  bought: string;
  sold: string;
  fees: Record<string, string>;
}

/** So many sessions are read: far more than a message tells of. */
const MOST_SESSIONS = 1_000;

/** What a day came to, of these sessions or of all (null). */
export async function readDay(
  sql: Sql,
  { fromMs, toMs, sessionIds }: { fromMs: number; toMs: number; sessionIds: readonly string[] | null },
): Promise<Day> {
  const rows = await sql<FillsRow[]>`
    with sums as (
      select session_id, side, fee_asset, count(*)::integer as fills, sum(value) as value, sum(fee) as fee
      from notification.fills
      where at_ms > ${fromMs} and at_ms <= ${toMs}
        ${sessionIds === null ? sql`` : sql`and session_id = any(${[...sessionIds]}::text[])`}
      group by session_id, side, fee_asset
    ), assets as (
      select session_id, fee_asset, sum(fee) as fee from sums group by session_id, fee_asset having sum(fee) <> 0
    )
    select s.session_id as "sessionId", sum(fills)::integer as fills,
      coalesce(sum(value) filter (where side = 'BUY'), 0)::text as bought,
      coalesce(sum(value) filter (where side = 'SELL'), 0)::text as sold,
      coalesce((
        select jsonb_object_agg(fee_asset, fee::text order by fee_asset) from assets a where a.session_id = s.session_id
      ), '{}') as fees
    from sums s group by s.session_id order by fills desc, s.session_id limit ${MOST_SESSIONS}`;
  const names = await readSessionNames(
    sql,
    rows.map(({ sessionId }) => sessionId),
  );
  const sessions = rows.map(({ sessionId, fills, bought, sold, fees }) => ({
    sessionId,
    name: names.get(sessionId) ?? null,
    fills,
    bought: normalize(bought),
    sold: normalize(sold),
    fees: Object.fromEntries(Object.entries(fees).map(([asset, fee]) => [asset, normalize(fee)])),
  }));
  const states = await countSessionStates(sql, sessionIds);
  return { fromMs, toMs, sessions, states, alerts: await countOpenAlerts(sql) };
}
