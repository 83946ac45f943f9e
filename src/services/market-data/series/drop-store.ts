import type { Tx } from "#shared/db/db.ts";
import { seriesAtWorkSql } from "#shared/db/reference-rows.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";

/** What came of a step of dropping a series: why not, or how many candles it removed and how many are left. */
export type DropStep = { refused: "none" | "at-work" | "filling" } | { refused: null; removed: number; left: number };

/**
 * Removes the newest candles of a series, `most` of them, with the series itself once none is left. Whoever adds candles waits for
 * it, and finds that the head has moved.
 */
export async function dropNewest(
  { sql }: Tx,
  { instrumentId, timeFrame }: { instrumentId: string; timeFrame: TimeFrame },
  most: number,
): Promise<DropStep> {
  const own = sql`instrument_id = ${instrumentId} and time_frame = ${timeFrame}`;
  const [series] = await sql<{ firstN: number; headN: number }[]>`
    select first_n as "firstN", head_n as "headN" from market_data.series where ${own} for update`;
  if (series === undefined) return { refused: "none" };
  if ((await sql`select 1 from (${seriesAtWorkSql(sql)}) at_work where ${own}`).length > 0)
    return { refused: "at-work" };
  const open = await sql`select 1 from market_data.backfills where ${own} and state in ('QUEUED', 'RUNNING')`;
  if (open.length > 0) return { refused: "filling" };
  const { firstN, headN } = series;
  const count = headN === 0 ? 0 : headN - firstN + 1;
  const left = Math.max(count - most, 0);
  const keepN = firstN + left - 1;
  await sql`delete from market_data.candles where ${own} and n > ${left === 0 ? firstN - 1 : keepN}`;
  if (left === 0) {
    await sql`delete from market_data.backfills where ${own}`;
    await sql`delete from market_data.series where ${own}`;
  } else {
    await sql`
      update market_data.series kept set head_n = ${keepN}, last_trade_id = null, head_open_at_ms = (
        select open_at_ms from market_data.candles where ${own} and n = ${keepN})
      where ${own}`;
  }
  // Pages of it that a cache holds are never asked for again.
  await sql`update market_data.incarnation set id = gen_random_uuid()`;
  return { refused: null, removed: count - left, left };
}
