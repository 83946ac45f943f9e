import type { Session, SessionState } from "#shared/domain/session.ts";

/** A session of tests, in this state. */
export function sessionIn(state: SessionState): Session {
  return {
    id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    code: "abcd1234",
    name: "a",
    strategy: "sma-cross",
    strategyVersion: "1",
    params: { fast: 10, slow: 30 },
    instrumentIds: ["SPX/USD.paper"],
    timeFrame: "1d",
    accountId: "demo",
    capital: "10000",
    riskPolicy: {
      sizing: { method: "percent-of-equity", percent: "95" },
      maxOrderNotional: null,
      maxPositionNotional: null,
      signalValidityMs: null,
    },
    refreshIntervalMs: 1_000,
    stopPolicy: "keep",
    state,
    stateReason: null,
    degraded: false,
    run: 2,
    version: 5,
    partition: 3,
    createdAtMs: 1,
    updatedAtMs: 2,
  };
}
