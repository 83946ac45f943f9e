import type { z } from "zod";
import type { Bus } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Tx } from "#shared/db/db.ts";
import { storable } from "#shared/errors/storable-text.ts";
import { ALERTS, event } from "#shared/messages/topics.ts";
import type { AlertKind } from "./alert-kinds.ts";

/** Something that a person should know. */
export interface Alert {
  /**
   * What it is about, by kind and id: `session:<id>`, `account:<id>`, `account:<id>/<asset or symbol>`, `order:<id>`,
   * `instrument:<id>`, `topic:<name>`, `series:<id>/<time frame>`, `events:<group>/<topic>/<key>`, `tasks:<queue>/<lane>`, `risk:all`, and those of
   * monitoring's facts (`service:<name>`, `group:<name>` ...). With its kind's code it makes the alert one.
   */
  scope: string;
  kind: AlertKind;
  /** A sentence or two for a person: what has happened, and what to do. */
  text: string;
  data: z.infer<(typeof ALERTS.schemas)["alert.raised"]>["data"];
}

type AlertDeps = { bus: Pick<Bus, "publish">; clock: Pick<Clock, "nowMs"> };

/**
 * Raises an alert with the transaction, once: while one of its scope and code is open, only its text and data are renewed.
 * True: it was raised. Its row is locked until the commit; of several, raise those of smaller scopes first.
 */
export async function raiseAlert(tx: Tx, { bus, clock }: AlertDeps, alert: Alert): Promise<boolean> {
  const { scope, kind, data } = alert;
  const { code, severity } = kind;
  // It may quote a venue or a strategy.
  const text = storable(alert.text);
  const atMs = clock.nowMs();
  const [row] = await tx.sql<{ is_new: boolean }[]>`
    insert into alerts.open as o (scope, code, severity, text, data, raised_at_ms)
    values (${scope}, ${code}, ${severity}, ${text}, ${tx.sql.json(data)}, ${atMs})
    on conflict (scope, code) do update set text = excluded.text, data = excluded.data
    returning (xmax = 0) as is_new`;
  if (row?.is_new !== true) return false;
  bus.publish(tx, [event(ALERTS, scope, "alert.raised", { scope, code, severity, text, atMs, data })]);
  return true;
}

/** Ends an alert with the transaction, where one is open. True: it was. */
export async function clearAlert(
  tx: Tx,
  { bus, clock }: AlertDeps,
  { scope, kind: { code } }: Pick<Alert, "scope" | "kind">,
): Promise<boolean> {
  const rows = await tx.sql`delete from alerts.open where scope = ${scope} and code = ${code} returning 1`;
  if (rows.length === 0) return false;
  bus.publish(tx, [event(ALERTS, scope, "alert.cleared", { scope, code, atMs: clock.nowMs() })]);
  return true;
}
