import { alerts } from "#services/monitoring/alerts.ts";
import type { FactName } from "#services/monitoring/facts/facts.ts";
import type { Rule } from "./rule.ts";

type Condition = { fact: FactName } & Pick<Rule, "comparison" | "limit" | "forMs"> & Partial<Rule>;

/** What is over for a moment only is not over. */
const ENDS_AFTER_MS = 10_000;

/** Backtests take as long as they take, and a message waits for its channel, which notification tells of. */
const PATIENT_QUEUES = ["queue:backtest", "queue:notification"];

/** Each under the code of the alert that it raises, whose kind says the severity, the text and what to do. */
const CONDITIONS: Readonly<Record<string, Condition>> = {
  SERVICE_DOWN: { fact: "service.ready", comparison: "below", limit: 1, forMs: 15_000, endsAfterMs: 0 },
  INSTANCE_SILENT: { fact: "instance.silent", comparison: "above", limit: 10_000, forMs: 0, endsAfterMs: 0 },
  INSTANCE_NOT_READY: { fact: "instance.waits", comparison: "above", limit: 0, forMs: 30_000 },
  PROCESS_MEMORY: { fact: "process.memory", comparison: "above", limit: 2e9, forMs: 60_000 },
  EVENT_LOOP_SLOW: { fact: "process.loop-delay", comparison: "above", limit: 1_000, forMs: 10_000 },
  DISK_FULL: { fact: "host.disk", comparison: "above", limit: 90, forMs: 30_000 },
  VENUE_CLOCK_OFF: { fact: "venue.clock", comparison: "above", limit: 500, forMs: 60_000 },
  BUS_LAG: { fact: "bus.lag", comparison: "above", limit: 10_000, forMs: 30_000 },
  BUS_STUCK: { fact: "bus.waited", comparison: "above", limit: 30_000, forMs: 5_000 },
  QUEUE_LONG: { fact: "queue.open", comparison: "above", limit: 5_000, forMs: 30_000 },
  QUEUE_STUCK: { fact: "queue.waited", comparison: "above", limit: 60_000, forMs: 5_000, except: PATIENT_QUEUES },
  ORDER_STUCK: { fact: "order.waited", comparison: "above", limit: 30_000, forMs: 0, endsAfterMs: 0 },
  EXPOSED_DEGRADED: { fact: "session.exposed", comparison: "above", limit: 0, forMs: 60_000 },
  WORK_PARKED: { fact: "work.parked", comparison: "above", limit: 0, forMs: 60_000 },
  LEADER_FLAPS: { fact: "leader.changes", comparison: "above", limit: 5, forMs: 0 },
  REDIS_FULL: { fact: "redis.memory", comparison: "above", limit: 80, forMs: 10_000 },
  MONITORING_BLIND: { fact: "monitoring.blind", comparison: "above", limit: 0, forMs: 30_000 },
};

/** The rules that come with the engine. */
export const SHIPPED_RULES: readonly Rule[] = Object.entries(CONDITIONS).map(([id, condition]) => {
  const { severity, meaning, toDo } = alerts[id as keyof typeof alerts];
  const rest = { endsAfterMs: ENDS_AFTER_MS, only: [], except: [], enabled: true };
  return { id, severity, text: meaning, toDo, ...rest, ...condition };
});
