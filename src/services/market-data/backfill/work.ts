import { pageOf } from "#services/market-data/candles/candle-writer.ts";
import { extendWithin } from "#services/market-data/series/ends-store.ts";
import type { KeptSeries } from "#services/market-data/series/kept-series.ts";
import { countOf, numberedBefore, type Series } from "#services/market-data/series/series.ts";
import type { Store } from "#services/market-data/store.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { AppError, sentenceOf } from "#shared/errors/app-error.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";
import type { LaneTx, LeasedLane, TaskOf } from "#shared/queue/queue.ts";
import type { Deps } from "#shared/service/service.ts";
import {
  beginBackfill,
  endBackfill,
  type LockedBackfill,
  lockBackfill,
  type OpenBackfill,
  writeFailure,
  writeStep,
} from "./backfill-store.ts";
import type { RUN_BACKFILL } from "./messages.ts";
import { isReached, placePage, shareOf } from "./target.ts";

type BackfillTask = TaskOf<typeof RUN_BACKFILL>;

/** What a worker of back-fills is made from. */
export interface BackfillPlace {
  deps: Pick<Deps, "clock" | "log">;
  store: Store;
  kept: KeptSeries;
  dataCollect: DataCollectClient;
  /** So often in a row the venue is asked in vain. */
  tries: number;
  /** Aborts as the process stops: what is under way is put back. */
  stopping: AbortSignal;
}

/** After so many pages, or so long, a back-fill makes room for others that wait. */
const PAGES_A_TURN = 10;
const TURN_MS = 10_000;
/** So long one waits that is put back, for another worker where this one stops. */
const PUT_BACK_MS = 20;
const PAUSES: Backoff = { firstMs: 500, longestMs: 60_000 };

/** The task's first step: it is RUNNING from the moment its lane is leased. Null: it is over. */
export async function takeBackfill(tx: LaneTx, task: BackfillTask): Promise<OpenBackfill | null> {
  const { backfillId } = task.payload;
  const taken = await beginBackfill(tx, backfillId);
  if (taken === null) tx.complete(task, { backfillId, state: "over" });
  return taken;
}

/** The series as it was read, and down to which time the venue was. */
interface Read {
  series: Series;
  cursorMs: number;
  firstOpenAtMs: number;
}
/** What came of asking for the next page. bars: none where the venue has no earlier ones. there: nothing had to be asked. */
type Page = (Read & { kind: "bars"; bars: readonly VenueBar[] }) | (Read & { kind: "there" }) | Failed;
interface Failed {
  kind: "failed";
  reason: string;
  isFinal: boolean;
}

/**
 * Reads pages and stores each whole, with how far it is, in one commit under the lease of the lane: a worker that dies leaves whole
 * pages, and the next one goes on before them. It never holds its lane for longer than a turn.
 */
export async function workBackfill(
  place: BackfillPlace,
  { lane, task, taken }: { lane: LeasedLane; task: BackfillTask; taken: OpenBackfill },
): Promise<void> {
  const { clock } = place.deps;
  const untilMs = clock.monotonicMs() + TURN_MS;
  let open: OpenBackfill | null = taken;
  for (let pages = 1; open !== null; pages += 1) {
    const page = await nextPage(place, open);
    const isTurnOver = pages >= PAGES_A_TURN || clock.monotonicMs() > untilMs || place.stopping.aborted;
    const key: OpenBackfill = open;
    const { goesOn, grown } = await lane.step(async (tx) => {
      const step = await keepPage(place, tx, key, page);
      if (step.ended !== null) tx.complete(task, { backfillId: key.id, state: step.ended });
      else if (step.pauseMs !== null || isTurnOver) tx.retryIn(task, step.pauseMs ?? PUT_BACK_MS);
      else return { goesOn: step.open, grown: step.grown };
      return { goesOn: null, grown: step.grown };
    });
    if (grown !== null) place.kept.note(grown);
    open = goesOn;
  }
}

/** Nothing of it is thrown but what is ours: the venue's failures are the back-fill's. */
async function nextPage({ store, dataCollect }: BackfillPlace, open: OpenBackfill): Promise<Page> {
  const { instrumentId, timeFrame } = open;
  const series = await store.series(instrumentId, timeFrame);
  const first = series === null ? null : await store.first(series);
  if (series === null || first === null) {
    const reason = `The series ${instrumentId} ${timeFrame} has no candle that earlier ones could be added to.`;
    return { kind: "failed", reason, isFinal: true };
  }
  const cursorMs = Math.min(first.openAtMs, open.cursorMs);
  const read = { series, cursorMs, firstOpenAtMs: first.openAtMs };
  if (isReached(open, { count: countOf(series), cursorMs })) return { kind: "there", ...read };
  try {
    const limit = pageOf(timeFrame);
    return { kind: "bars", bars: await dataCollect.bars({ instrumentId, timeFrame, toMs: cursorMs, limit }), ...read };
  } catch (error) {
    return {
      kind: "failed",
      reason: sentenceOf(error),
      isFinal: error instanceof AppError && error.kind === "permanent",
    };
  }
}

/** What a step came to. ended: with which state; pauseMs: so long it waits; grown: the series, where it has candles more. */
interface Kept {
  open: LockedBackfill | null;
  ended: string | null;
  pauseMs: number | null;
  grown: Series | null;
}

async function keepPage(place: BackfillPlace, tx: LaneTx, key: OpenBackfill, page: Page): Promise<Kept> {
  const locked = await lockBackfill(tx, key);
  const kept: Kept = { open: locked, ended: null, pauseMs: null, grown: null };
  if (locked === null) return { ...kept, ended: "canceled" };
  if (page.kind === "failed") return { ...kept, ...(await keepFailure(place, tx, locked, page)) };
  // Another one has added candles before the first meanwhile: it is read anew.
  if (page.series.firstN !== locked.firstN) return kept;
  const at = { count: locked.seriesCount, cursorMs: page.cursorMs };
  const done = async (openAtMs: number, endReason: string): Promise<Kept> => {
    const atMs = place.deps.clock.nowMs();
    await endBackfill(tx, locked.id, { state: "DONE", atMs, endReason, oldestOpenAtMs: openAtMs });
    return { ...kept, ended: "done" };
  };
  // What was asked for may have grown since the page was.
  if (page.kind === "there")
    return isReached(locked, at) ? await done(page.firstOpenAtMs, isThere(page.firstOpenAtMs)) : kept;
  const [oldest, ...others] = page.bars;
  if (oldest === undefined) return await done(page.firstOpenAtMs, beginsAt(page.cursorMs));
  const placed = placePage(locked, { ...at, source: page.series.source }, [oldest, ...others]);
  const earlier = numberedBefore(page.series, placed.kept);
  if (!(await extendWithin(tx, page.series, { before: earlier }))) return kept;
  const firstOpenAtMs = earlier[0]?.openAtMs ?? page.firstOpenAtMs;
  await writeStep(tx, locked.id, {
    cursorMs: placed.cursorMs,
    oldestOpenAtMs: firstOpenAtMs,
    added: earlier.length,
    progress: shareOf(locked, locked.begun, placed),
  });
  const grown = earlier[0] === undefined ? null : { ...page.series, firstN: earlier[0].n };
  if (placed.isReached) return { ...(await done(firstOpenAtMs, isThere(firstOpenAtMs))), grown };
  return { ...kept, open: { ...locked, cursorMs: placed.cursorMs }, grown };
}

async function keepFailure(
  { deps, tries }: BackfillPlace,
  tx: LaneTx,
  { id, failures, instrumentId, timeFrame }: LockedBackfill,
  { reason, isFinal }: Failed,
): Promise<Pick<Kept, "ended" | "pauseMs">> {
  const failed = failures + 1;
  const about = { backfillId: id, instrumentId, timeFrame, reason, failures: failed };
  if (isFinal || failed >= tries) {
    const often = isFinal ? "" : `The venue was asked ${failed} times in vain. At last: `;
    await endBackfill(tx, id, { state: "FAILED", atMs: deps.clock.nowMs(), error: `${often}${reason}` });
    deps.log.warn(about, "a back-fill failed");
    return { ended: "failed", pauseMs: null };
  }
  await writeFailure(tx, id, reason);
  deps.log.warn(about, "a page of a back-fill was not read, trying again");
  return { ended: null, pauseMs: Math.round(backoffMs(PAUSES, failed, Math.random())) };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isThere = (openAtMs: number): string =>
  `What was asked for is there: the first candle opened at ${iso(openAtMs)}.`;
const beginsAt = (openAtMs: number): string => `History begins at ${iso(openAtMs)}: the venue lists nothing earlier.`;
