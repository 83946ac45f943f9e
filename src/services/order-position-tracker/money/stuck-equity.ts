import { alerts } from "#services/order-position-tracker/alerts.ts";
import { sessionScope } from "#services/order-position-tracker/session/fault-watch.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { verdictOf } from "#shared/errors/verdict.ts";
import type { Deps } from "#shared/service/service.ts";
import { type Series, standingAt, toldAndOver, writePoints } from "./equity-store.ts";

const BACKOFF: Backoff = { firstMs: 1_000, longestMs: 60_000 };
const HELD = "its row is held by another transaction, or another process was quicker";

interface Stuck extends Series {
  sessionId: string;
  tries: number;
  retryAtMs: number;
}

/**
 * Sessions whose points cannot be written while those of others can: they are left out, and tried again after pauses that
 * grow to a minute. From the second time on a person is told. Only a memory: whoever has none finds them anew.
 */
export class StuckEquity {
  readonly #stuck = new Map<string, Stuck>();

  constructor(private readonly deps: Deps) {}

  ids(): string[] {
    return [...this.#stuck.keys()];
  }

  /** Those of a series whose pause is over. */
  due({ instrumentId, timeFrame }: Series): string[] {
    const nowMs = this.deps.clock.nowMs();
    const isDue = (one: Stuck) =>
      one.instrumentId === instrumentId && one.timeFrame === timeFrame && one.retryAtMs <= nowMs;
    return [...this.#stuck.values()].filter(isDue).map(({ sessionId }) => sessionId);
  }

  free(sessionId: string): void {
    this.#stuck.delete(sessionId);
  }

  /** Not all at once could be written: those that can are, the others are left out. Throws what no session is to blame for. */
  async isolate(candle: Candle): Promise<void> {
    const ids = await standingAt(this.deps.db, candle, candle.n - 1);
    await this.divide(
      candle,
      ids.filter((id) => !this.#stuck.has(id)),
    );
  }

  /** Writes these sessions' points; a half at a time where they fail, until it is known whose do. */
  async divide(candle: Candle, ids: readonly string[]): Promise<void> {
    const [only] = ids;
    if (only === undefined) return;
    let written: string[];
    try {
      written = await writePoints(this.deps.db, candle, { only: ids });
    } catch (error) {
      if (verdictOf(error) === "unit") throw error;
      if (ids.length === 1) return this.#leaveOut(candle, only, messageOf(error));
      const middle = Math.ceil(ids.length / 2);
      await this.divide(candle, ids.slice(0, middle));
      return this.divide(candle, ids.slice(middle));
    }
    for (const id of ids) if (!written.includes(id)) await this.#leaveOut(candle, id, HELD);
  }

  /** Ends what was told, here or by another process, of sessions that have come to this candle. */
  async clear(series: Series, n: number): Promise<void> {
    const { db } = this.deps;
    for (const scope of await toldAndOver(db, series, n)) {
      await db.transaction((tx) => clearAlert(tx, this.deps, { scope, kind: alerts.EQUITY_NOT_WRITTEN }));
    }
  }

  async #leaveOut({ instrumentId, timeFrame, n }: Candle, sessionId: string, reason: string): Promise<void> {
    const { clock, db, log } = this.deps;
    const tries = (this.#stuck.get(sessionId)?.tries ?? 0) + 1;
    const pauseMs = backoffMs(BACKOFF, tries);
    this.#stuck.set(sessionId, { sessionId, instrumentId, timeFrame, tries, retryAtMs: clock.nowMs() + pauseMs });
    log.warn({ sessionId, n, tries, reason }, "the equity of a session is not written");
    if (tries < 2) return;
    const text = `The equity curve of the session stands before candle ${n} of ${instrumentId}: ${reason}. It is tried again; other sessions' go on.`;
    const alert = { scope: sessionScope(sessionId), kind: alerts.EQUITY_NOT_WRITTEN, text };
    await db.transaction((tx) => raiseAlert(tx, this.deps, { ...alert, data: { sessionId, instrumentId, timeFrame } }));
  }
}
