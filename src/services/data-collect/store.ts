import type { Db } from "#shared/db/db.ts";
import { seriesAtWorkSql } from "#shared/db/reference-rows.ts";
import { type TimeFrame, timeFrameSchema } from "#shared/domain/time-frame.ts";

/** What is to be followed of an instrument. */
export type Feed =
  | { instrumentId: string; kind: "trades" | "quotes" }
  | { instrumentId: string; kind: "bars"; timeFrame: TimeFrame };

/** One text for each feed. */
export function feedKey(feed: Feed): string {
  return feed.kind === "bars" ? `${feed.instrumentId} bars ${feed.timeFrame}` : `${feed.instrumentId} ${feed.kind}`;
}

interface FeedRow {
  instrument_id: string;
  kind: "trades" | "quotes" | "bars";
  time_frame: string;
}

/**
 * All feeds that somebody needs now: the bars of each session at work, in its time frame, and what market-data asked for of
 * the same instruments.
 */
export async function wantedFeeds(db: Db): Promise<Feed[]> {
  const rows = await db.sql<FeedRow[]>`
    with at_work as (${seriesAtWorkSql(db.sql)})
    select instrument_id, 'bars' as kind, time_frame from at_work
    union
    select instrument_id, kind, time_frame from data_collect.feeds
    where instrument_id in (select instrument_id from at_work)
    order by 1, 2, 3`;
  return rows.map(feedOf);
}

function feedOf({ instrument_id: instrumentId, kind, time_frame }: FeedRow): Feed {
  if (kind !== "bars") return { instrumentId, kind };
  return { instrumentId, kind, timeFrame: timeFrameSchema.parse(time_frame) };
}

/** A feed as somebody asked for it. */
export type AskedFeed = Feed & { askedAtMs: number };

/** All feeds that were asked for, whether they run or not. */
export async function askedFeeds(db: Db): Promise<AskedFeed[]> {
  const rows = await db.sql<(FeedRow & { asked_at_ms: number })[]>`
    select instrument_id, kind, time_frame, asked_at_ms from data_collect.feeds order by 1, 2, 3`;
  return rows.map((row) => ({ ...feedOf(row), askedAtMs: row.asked_at_ms }));
}

/** Removes a feed that was asked for. False: nobody had. */
export async function removeFeed(db: Db, feed: Feed): Promise<boolean> {
  const removed = await db.sql`
    delete from data_collect.feeds
    where instrument_id = ${feed.instrumentId} and kind = ${feed.kind} and time_frame = ${timeFrameOf(feed)} returning 1`;
  return removed.length > 0;
}

/** The column is part of the key, and never null. */
function timeFrameOf(feed: Feed): string {
  return feed.kind === "bars" ? feed.timeFrame : "";
}

/** Asks for a feed; the same call twice changes nothing. */
export async function askForFeed(db: Db, feed: Feed, nowMs: number): Promise<void> {
  await db.sql`
    insert into data_collect.feeds (instrument_id, kind, time_frame, asked_at_ms)
    values (${feed.instrumentId}, ${feed.kind}, ${timeFrameOf(feed)}, ${nowMs})
    on conflict do nothing`;
}
