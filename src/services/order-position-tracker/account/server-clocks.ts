import type { Clock } from "#shared/clock/clock.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";

/** The venues' server clocks, by the offset that was measured last. */
export interface ServerClocks {
  /** Wall clock plus measured offset, whole milliseconds; without an offset as long as none was measured. */
  nowMs(accountId: string): number;
  /** Asks the venue for its time. The offset is taken at the middle of the round trip. */
  measure(accountId: string): Promise<void>;
}

export function createServerClocks(exchanges: Exchanges, clock: Clock): ServerClocks {
  const offsets = new Map<string, number>();
  return {
    nowMs: (accountId) => clock.nowMs() + (offsets.get(accountId) ?? 0),
    async measure(accountId) {
      const before = clock.nowMs();
      const serverTimeMs = await exchanges.account(accountId).serverTimeMs();
      offsets.set(accountId, Math.round(serverTimeMs - (before + clock.nowMs()) / 2));
    },
  };
}
