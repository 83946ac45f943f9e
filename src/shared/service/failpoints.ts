/** Every place where a process may be told to die, named after where it stands. */
export const FAILPOINTS = [
  "tracker.intent-committed",
  "tracker.order-sent",
  "tracker.fill-received",
  "risk.decision-made",
  "executor.transaction-open",
  "data-collect.bar-received",
  "market-data.candle-stored",
  "paper-exchange.committed",
  "conductor.released",
] as const;
export type Failpoint = (typeof FAILPOINTS)[number];

/** Where in the demo a failpoint was passed. */
export interface FailpointContext {
  /** Number of the bar, from 1, where the place knows it. */
  bar?: number;
  /** Number of the order, from 1, where the place knows it. */
  order?: number;
  sessionId?: string;
}

/** `hit` ends the process at once (SIGKILL) where the settings say so, and does nothing otherwise. */
export interface Failpoints {
  hit(point: Failpoint, context: FailpointContext): void;
}
