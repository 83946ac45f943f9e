import { z } from "zod";

/** Where facts come from. Each is asked apart, so that one that is away hides nothing of the others. */
export type Source =
  | "heartbeats"
  | "bus"
  | "queue"
  | "failed-work"
  | "leaders"
  | "redis"
  | "orders"
  | "sessions"
  | "monitoring";

/** What a value is counted in. */
export type Unit = "count" | "ms" | "bytes" | "percent";

/** Something that can be measured, each value of one subject. */
export interface FactKind {
  source: Source;
  unit: Unit;
  /** What it is about, as the alert's scope names it. */
  subject: string;
  meaning: string;
}

/** All that rules can be about. */
export const FACTS = {
  "service.ready": {
    source: "heartbeats",
    unit: "count",
    subject: "service:<name>",
    meaning: "Instances of a service that are heard of and take work",
  },
  "instance.silent": {
    source: "heartbeats",
    unit: "ms",
    subject: "instance:<service>/<instance>",
    meaning:
      "How long an instance has said nothing; not of one that was stopped in order, or that another has replaced",
  },
  "instance.waits": {
    source: "heartbeats",
    unit: "count",
    subject: "instance:<service>/<instance>",
    meaning: "Things that an instance waits for before it takes work",
  },
  "process.memory": {
    source: "heartbeats",
    unit: "bytes",
    subject: "process:<instance>",
    meaning: "Memory of a process (RSS)",
  },
  "process.loop-delay": {
    source: "heartbeats",
    unit: "ms",
    subject: "process:<instance>",
    meaning: "The longest time in the last two seconds for which a process did nothing else",
  },
  "host.disk": {
    source: "heartbeats",
    unit: "percent",
    subject: "host:<name>",
    meaning: "How full the disk is that the processes of a machine work on",
  },
  "venue.clock": {
    source: "heartbeats",
    unit: "ms",
    subject: "venue:<name>/<host>",
    meaning:
      "How far the clocks of a machine and of a venue differ at least: the offset that was measured, less half of its round trip; not of a venue that replays",
  },
  "bus.lag": {
    source: "bus",
    unit: "count",
    subject: "group:<name>",
    meaning: "Events that a group (a service) has not handled yet, in all partitions together",
  },
  "bus.waited": {
    source: "bus",
    unit: "ms",
    subject: "group:<name>",
    meaning: "How long the oldest event waits that a group has not handled yet",
  },
  "queue.open": {
    source: "queue",
    unit: "count",
    subject: "queue:<name>",
    meaning: "Tasks that are not done",
  },
  "queue.waited": {
    source: "queue",
    unit: "ms",
    subject: "queue:<name>",
    meaning: "How old the oldest task is that is not done",
  },
  "work.parked": {
    source: "failed-work",
    unit: "count",
    subject: "service:<name>",
    meaning: "Events and tasks that have failed and are tried again, and the events behind them",
  },
  "work.dead": {
    source: "failed-work",
    unit: "count",
    subject: "service:<name>",
    meaning: "Events and tasks that wait for a person; each lane of them is an alert of its own already",
  },
  "leader.changes": {
    source: "leaders",
    unit: "count",
    subject: "role:<name>",
    meaning: "How often a role has changed hands in the last ten minutes",
  },
  "redis.memory": {
    source: "redis",
    unit: "percent",
    subject: "redis",
    meaning: "Memory of Redis against its maxmemory, or against all of its machine where it has none",
  },
  "order.waited": {
    source: "orders",
    unit: "ms",
    subject: "order:<id>",
    meaning:
      "How long an order or its cancel has been on its way: decided, and neither accepted nor refused by its venue. From ten seconds on",
  },
  "session.exposed": {
    source: "sessions",
    unit: "count",
    subject: "session:<id>",
    meaning:
      "Positions and open orders of a session at work that runs with something missing; not where a replay has ended",
  },
  "monitoring.blind": {
    source: "monitoring",
    unit: "count",
    subject: "source:<name>",
    meaning: "1 while something that rules are about cannot be seen",
  },
} satisfies Record<string, FactKind>;

export type FactName = keyof typeof FACTS;
export const factNameSchema = z.enum(Object.keys(FACTS) as [FactName, ...FactName[]]);

/** What was measured: one value of one subject. */
export interface Sample {
  fact: FactName;
  subject: string;
  /** The subject as a person calls it. */
  label: string;
  value: number;
  /** What helps to understand the value, in a phrase. Default: nothing. */
  detail?: string;
}

/** The kind of a fact. */
export function factOf(name: FactName): FactKind {
  return FACTS[name];
}

const MEGABYTE = 1e6;
const SECOND_MS = 1_000;

/** A value with its unit, for a person. */
export function valueWords(value: number, unit: Unit): string {
  switch (unit) {
    case "bytes":
      return `${Math.round(value / MEGABYTE)} MB`;
    case "percent":
      return `${Math.round(value)} %`;
    case "ms":
      if (value < 10 * SECOND_MS && value % SECOND_MS !== 0) return `${Math.round(value)} ms`;
      return `${Math.round(value / SECOND_MS)} s`;
    case "count":
      return String(value);
  }
}
