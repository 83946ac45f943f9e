import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { messageOf } from "#shared/errors/app-error.ts";

/** Where bans are kept for all processes. */
export interface BanStore {
  /** Those that are not over. */
  read(nowMs: number): Promise<{ address: string; untilMs: number }[]>;
  /** Keeps a ban; a longer one of the same address stays. */
  write(address: string, untilMs: number): Promise<void>;
}

/**
 * Until when a venue's addresses take nothing from us. Known at once in the process that was told, and in the others before
 * their next request, at the latest a second later.
 */
export interface Bans {
  /** Until when nothing may leave (our wall clock); null: it may. By what is known here. */
  untilMs(address: string): number | null;
  /** The same, after what other processes were told was looked up where that is due. */
  check(address: string): Promise<number | null>;
  /** The venue has named the end of a ban. */
  note(address: string, untilMs: number): void;
}

/** How old the knowledge of other processes' bans may be when a request leaves. */
const FRESH_MS = 1_000;
/** A store that does not answer holds no request up for longer. */
const STORE_WITHIN_MS = 500;

/** The longest ban that Binance gives, three days. What a garbled text names beyond it would end by no one's word. */
const LONGEST_MS = 3 * 24 * 3_600_000;

/** Bans over a store; without one this process stands alone. */
export function createBans({ store, clock, log }: { store: BanStore | null; clock: Clock; log: Logger }): Bans {
  const known = new Map<string, number>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  const keep = (address: string, untilMs: number): void => {
    known.set(address, Math.max(untilMs, known.get(address) ?? 0));
  };

  const read = async (): Promise<void> => {
    readAtMs = clock.monotonicMs();
    try {
      for (const { address, untilMs } of (await store?.read(clock.nowMs())) ?? []) keep(address, untilMs);
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "bans of other processes not looked up");
    }
  };

  const untilMs = (address: string): number | null => {
    const until = known.get(address);
    if (until === undefined) return null;
    if (clock.nowMs() < until) return until;
    known.delete(address);
    return null;
  };

  return {
    untilMs,
    async check(address) {
      if (store !== null && (reading !== null || clock.monotonicMs() - readAtMs >= FRESH_MS)) {
        reading ??= read().finally(() => {
          reading = null;
        });
        await Promise.race([reading, clock.sleep(STORE_WITHIN_MS)]);
      }
      return untilMs(address);
    },
    note(address, told) {
      const until = Math.min(told, clock.nowMs() + LONGEST_MS);
      keep(address, until);
      log.warn({ address, untilMs: until }, "the venue refuses everything until then");
      store?.write(address, until).catch((error: unknown) => {
        log.error({ address, reason: messageOf(error) }, "ban not told to the other processes");
      });
    },
  };
}
