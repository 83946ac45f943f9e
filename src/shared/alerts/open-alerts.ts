import { z } from "zod";
import type { Sql } from "#shared/db/db.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { type AlertKind, type AlertKinds, type Severity, severitySchema, toDoOf } from "./alert-kinds.ts";

/** The codes of these kinds. */
export function alertCodeSchema(kinds: AlertKinds) {
  return z.enum(Object.keys(kinds).toSorted());
}

/** An alert of one of these kinds that is open, with what its code says of it. */
export function openAlertSchema(kinds: AlertKinds) {
  return z.object({
    scope: z.string().describe("What it is about, such as session:<id>"),
    code: alertCodeSchema(kinds).describe("Which alert it is; docs/alerts.md has them all"),
    severity: severitySchema.describe("How much it matters"),
    text: z.string().describe("What is the matter, in a sentence"),
    data: z.record(z.string(), z.json()).describe("Ids and figures of it"),
    raisedAtMs: epochMs.describe("Since when, UTC epoch milliseconds"),
    toDo: z.string().describe("What a person does about it"),
    ends: z.enum(["condition", "fact"]).describe("condition: by itself, once it is over. fact: a person clears it"),
  });
}
export type OpenAlert = z.infer<ReturnType<typeof openAlertSchema>>;

/** Open alerts of these kinds, newest first; of one severity where it is given. */
export async function listOpenAlerts(
  { sql, kinds }: { sql: Sql; kinds: AlertKinds },
  { severity, limit }: { severity?: Severity; limit: number },
): Promise<OpenAlert[]> {
  const rows = await sql<Omit<OpenAlert, "toDo" | "ends">[]>`
    select scope, code, severity, text, data, raised_at_ms as "raisedAtMs" from alerts.open
    where code = any(${Object.keys(kinds)}) ${severity === undefined ? sql`` : sql`and severity = ${severity}`}
    order by raised_at_ms desc, scope desc, code desc limit ${limit}`;
  return rows.map((row) => {
    const kind = kindOf(kinds, row.code);
    return { ...row, toDo: toDoOf(kind, row.data), ends: kind.ends };
  });
}

/** The kind of a code that is one of these. */
export function kindOf(kinds: AlertKinds, code: string): AlertKind {
  const kind = kinds[code];
  if (kind === undefined) throw new AppError("INTERNAL", "permanent", `There is no kind of alert ${code}.`);
  return kind;
}

/** Whether an alert of this scope and code is open. */
export async function isOpen({ sql }: { sql: Sql }, scope: string, code: string): Promise<boolean> {
  const rows = await sql`select 1 from alerts.open where scope = ${scope} and code = ${code}`;
  return rows.length > 0;
}

/** How many alerts are open, by severity; 0 is left out. */
export type AlertCounts = Partial<Record<Severity, number>>;

/** The same in words, the worst first. An alert that is silenced is open too. */
export function openAlertWords(counts: AlertCounts): string {
  const present = severitySchema.options.toReversed().flatMap((severity) => {
    const count = counts[severity] ?? 0;
    return count === 0 ? [] : [{ count, words: `${count} ${severity}` }];
  });
  const all = present.reduce((sum, { count }) => sum + count, 0);
  if (all === 0) return "no alert is open";
  return `${all === 1 ? "1 alert is" : `${all} alerts are`} open: ${present.map(({ words }) => words).join(", ")}`;
}

/** How many alerts are open, by severity. */
export async function countOpenAlerts(sql: Sql): Promise<AlertCounts> {
  const rows = await sql<{ severity: Severity; count: number }[]>`
    select severity, count(*)::integer as count from alerts.open group by severity order by severity`;
  return Object.fromEntries(rows.map(({ severity, count }) => [severity, count]));
}

/** Where alerts of these codes are open, as the transaction sees it. */
export async function readOpen(
  { sql }: { sql: Sql },
  codes: readonly string[],
): Promise<Pick<OpenAlert, "scope" | "code">[]> {
  return await sql<Pick<OpenAlert, "scope" | "code">[]>`
    select scope, code from alerts.open where code = any(${[...codes]}::text[])`;
}
