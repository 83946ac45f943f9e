import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import { sentenceOf } from "#shared/errors/app-error.ts";
import type { VenueClock } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";

/** The venues' server clocks, by the offset that was measured last. */
export interface ServerClocks {
  /** Wall clock plus measured offset, whole milliseconds; without an offset as long as none was measured. */
  nowMs(accountId: string): number;
  /** Asks the venue for its time. The offset is taken at the middle of the round trip. */
  measure(accountId: string): Promise<void>;
  /** By venue, what was measured last through any of its accounts; of a replay nothing. */
  readings(): VenueClock[];
  /** Measures each venue whenever nobody has for so long, until the signal aborts; not a replay, whose time is none of the wall. */
  keepMeasured(everyMs: number, signal: AbortSignal): Promise<void>;
}

interface Reading {
  offsetMs: number;
  roundTripMs: number;
  measuredAtMs: number;
  monotonicMs: number;
}

/** Between tries while a venue does not tell its time. */
const RETRY: Backoff = { firstMs: 1_000, longestMs: 60_000 };

export function createServerClocks({ exchanges, clock, log }: Pick<Deps, "exchanges" | "clock" | "log">): ServerClocks {
  const offsets = new Map<string, number>();
  const byVenue = new Map<string, Reading>();
  const accountOf = new Map(exchanges.accounts.map(({ id, venue }) => [venue, id]));
  const isReplay = (venue: string): boolean => exchanges.marketNowMs(venue) === null;

  async function measure(accountId: string): Promise<void> {
    const account = exchanges.account(accountId);
    const [sentAtMs, sentMs] = [clock.nowMs(), clock.monotonicMs()];
    const serverTimeMs = await account.serverTimeMs();
    const monotonicMs = clock.monotonicMs();
    const roundTripMs = monotonicMs - sentMs;
    const offsetMs = Math.round(serverTimeMs - (sentAtMs + roundTripMs / 2));
    offsets.set(accountId, offsetMs);
    byVenue.set(account.venue, { offsetMs, roundTripMs, measuredAtMs: clock.nowMs(), monotonicMs });
  }

  async function keep(venue: string, accountId: string, of: { everyMs: number; signal: AbortSignal }): Promise<void> {
    const { everyMs, signal } = of;
    let failures = 0;
    while (!signal.aborted) {
      const reading = byVenue.get(venue);
      const dueMs = reading === undefined ? 0 : reading.monotonicMs + everyMs - clock.monotonicMs();
      if (dueMs > 0) {
        await clock.sleep(dueMs, signal);
        continue;
      }
      try {
        await measure(accountId);
        failures = 0;
      } catch (error) {
        failures += 1;
        log.warn({ venue, reason: sentenceOf(error) }, "venue's clock not measured, trying again");
        await clock.sleep(backoffMs(RETRY, failures, Math.random()), signal);
      }
    }
  }

  return {
    nowMs: (accountId) => clock.nowMs() + (offsets.get(accountId) ?? 0),
    measure,
    readings: () =>
      [...accountOf.keys()].map((venue) => {
        const reading = isReplay(venue) ? undefined : byVenue.get(venue);
        const { offsetMs = null, roundTripMs = null, measuredAtMs = null } = reading ?? {};
        return { venue, offsetMs, roundTripMs, measuredAtMs };
      }),
    async keepMeasured(everyMs, signal) {
      const wall = [...accountOf].filter(([venue]) => !isReplay(venue));
      await Promise.all(wall.map(([venue, accountId]) => keep(venue, accountId, { everyMs, signal })));
    },
  };
}
