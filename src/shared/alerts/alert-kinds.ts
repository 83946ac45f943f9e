import { z } from "zod";

/** How much it matters. info: good to know. warning: look at it today. critical: money or protection is at stake, look now. */
export const severitySchema = z.enum(["info", "warning", "critical"]);
export type Severity = z.infer<typeof severitySchema>;

/** What every alert of a code has in common. */
export interface AlertKind {
  /** Never given another meaning. */
  code: string;
  severity: Severity;
  /** What has happened, in a sentence. */
  meaning: string;
  /** What a person does about it, in a sentence or two. */
  toDo: string;
  /** Who ends it. condition: the service that raised it, once it is over. fact: a person, since what has happened stays so. */
  ends: "condition" | "fact";
}

/** Kinds of alerts by their codes. */
export type AlertKinds<Code extends string = string> = Readonly<Record<Code, AlertKind>>;

/** Gives each kind the code that it stands under. */
export function defineAlerts<Code extends string>(kinds: Record<Code, Omit<AlertKind, "code">>): AlertKinds<Code> {
  const named = Object.entries<Omit<AlertKind, "code">>(kinds).map(([code, kind]) => [code, { code, ...kind }]);
  return Object.fromEntries(named) as AlertKinds<Code>;
}

/** What a person does about an alert: its own word stands in its data, where it has one; else it is its kind's. */
export function toDoOf(kind: AlertKind | undefined, data: Readonly<Record<string, unknown>>): string {
  const own = data["toDo"];
  return typeof own === "string" ? own : (kind?.toDo ?? "Look at it.");
}

/** What the bus and the queue of each process raise, for whichever service. */
export const PROCESS_ALERTS = defineAlerts({
  BROKER_FORGED: {
    severity: "critical",
    meaning: "Entries of a topic were found in the broker that no process of this engine wrote. They are dropped.",
    toDo: "Nothing of them was taken. Find out who can write to Redis (or Kafka), and give it another password; then clear the alert.",
    ends: "fact",
  },
  EVENT_DEAD: {
    severity: "critical",
    meaning:
      "An event could not be handled, and nobody tries it again. By its topic's contract later ones of its key wait behind it.",
    toDo: "Read it under the address that the text names. Redrive it once the reason is mended; discard it where it may be without its effect.",
    ends: "condition",
  },
  TASK_DEAD: {
    severity: "critical",
    meaning:
      "A task could not be done, and nobody tries it again. By its type's contract later ones of its lane wait behind it.",
    toDo: "Read it under the address that the text names. Redrive it once the reason is mended. After a discard its session may wait for an answer that never comes: stop it and start it again.",
    ends: "condition",
  },
});
