import type { Candle } from "#shared/domain/candle.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { verdictOf } from "#shared/errors/verdict.ts";
import type { Deps } from "#shared/service/service.ts";
import { readCursor, type Series, slowest, writePoints } from "./equity-store.ts";
import { StuckEquity } from "./stuck-equity.ts";

const PAGE = 500;
/** A hole is made up for so long at a time, in milliseconds: well below a handler's deadline, since sessions of the unit wait. */
const SLICE_MS = 2_000;

/**
 * The equity curve: one point a closed candle and session, cash + position × close, exact. The cursor moves by one candle in
 * the statement that writes the point, so that of any number of replicas one writes it, once and in order.
 */
export interface EquityCurve {
  /**
   * Candles as they come: forming ones and repeated ones change nothing, holes are closed by market-data. What fails is left
   * to the next candle of its series, or to market-data's repeating of the newest one.
   */
  follow(candles: readonly Candle[]): Promise<void>;
}

/** Hands on the candles of a stretch in order, until `write` says that it goes no further: false. */
async function readStretch(
  { clients }: Deps,
  { instrumentId, timeFrame, from, to }: Series & { from: number; to: number },
  write: (candle: Candle) => Promise<boolean>,
): Promise<boolean> {
  for (let fromN = from; fromN <= to; ) {
    const limit = Math.min(PAGE, to - fromN + 1);
    const candles = await clients.marketData.candles({ instrumentId, timeFrame, fromN, limit });
    if (candles.length === 0) return true;
    for (const candle of candles) if (!(await write(candle))) return false;
    fromN = (candles.at(-1)?.n ?? to) + 1;
  }
  return true;
}

export function createEquityCurve(deps: Deps): EquityCurve {
  const { db, log } = deps;
  /** Up to which candle every session of a series was brought but the stuck ones; only to leave repeated heads alone. */
  const done = new Map<string, number>();
  const stuck = new StuckEquity(deps);

  const writeAll = async (candle: Candle): Promise<void> => {
    try {
      await writePoints(db, candle, { but: stuck.ids() });
    } catch (error) {
      if (verdictOf(error) === "unit") throw error;
      await stuck.isolate(candle);
    }
  };

  /** Tries a session that was left out; what it stands at says how far that went. */
  const tryAgain = async (candle: Candle, sessionId: string): Promise<void> => {
    let at = await readCursor(db, sessionId);
    if (at !== null && at < candle.n) {
      await readStretch(deps, { ...candle, from: at + 1, to: candle.n }, async (one) => {
        await stuck.divide(one, [sessionId]);
        at = await readCursor(db, sessionId);
        return at === null || at >= one.n;
      });
    }
    if (at !== null && at < candle.n) return;
    stuck.free(sessionId);
    await stuck.clear(candle, candle.n);
  };

  /** Writes what lies before a candle. False: there may be more of it than one slice; the next candle goes on with it. */
  const makeUp = (candle: Candle, from: number): Promise<boolean> => {
    const untilMs = deps.clock.monotonicMs() + SLICE_MS;
    return readStretch(deps, { ...candle, from, to: candle.n - 1 }, async (one) => {
      await writeAll(one);
      return deps.clock.monotonicMs() < untilMs;
    });
  };

  const take = async (candle: Candle): Promise<void> => {
    const { instrumentId, timeFrame, n } = candle;
    for (const sessionId of stuck.due(candle)) await tryAgain(candle, sessionId);
    const key = `${instrumentId} ${timeFrame}`;
    const before = done.get(key);
    if (before !== n - 1) {
      const at = await slowest(db, candle, stuck.ids());
      if (at === null || at >= n) return;
      if (at < n - 1 && !(await makeUp(candle, at + 1))) return;
    }
    await writeAll(candle);
    if (before === undefined) await stuck.clear(candle, n);
    done.set(key, n);
  };

  return {
    async follow(candles) {
      for (const candle of candles.filter(({ closed }) => closed)) {
        try {
          await take(candle);
        } catch (error) {
          // Not given back to the bus: sessions of this unit would wait behind it to be stopped. The repeated head shows the hole again.
          const { instrumentId, timeFrame, n } = candle;
          log.warn({ instrumentId, timeFrame, n, reason: messageOf(error) }, "equity not written yet");
        }
      }
    },
  };
}
