import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ALERT_KINDS, SERVICES } from "#local/services.ts";
import { FACTS } from "#services/monitoring/facts/facts.ts";
import { SHIPPED_RULES } from "#services/monitoring/rules/shipped-rules.ts";
import { PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import { DEGRADATIONS, DEGRADED_ENTRIES } from "#shared/domain/degradation.ts";
import { ALERTS_DOC, alertsDoc } from "./alerts-doc.ts";

const SHIPPED = SHIPPED_RULES.map(({ id }) => [id, id] as const);
const rows = alertsDoc()
  .split("\n")
  .filter((line) => line.startsWith("| `"));

describe("docs/alerts.md", () => {
  test("is what the code says; else `bin/bun run alerts-doc` mends it", () => {
    expect(readFileSync(ALERTS_DOC, "utf8")).toBe(alertsDoc());
  });

  test("has a row for each code of an alert, of a rule, of a fact, of a degradation, and for each way to take entries", () => {
    const said = rows.map((row) => /^\| `([^`]+)`/.exec(row)?.[1] ?? "");
    const tables = [ALERT_KINDS, Object.fromEntries(SHIPPED), FACTS, DEGRADATIONS, DEGRADED_ENTRIES];
    const known = tables.flatMap((table) => Object.keys(table));
    expect(said.toSorted()).toEqual(known.toSorted());
  });

  test("has the same number of cells in each row of a table", () => {
    const cells = rows.map((row) => row.split(/(?<!\\)\|/).length - 2);
    const [alerts, degradations, entries] = [ALERT_KINDS, DEGRADATIONS, DEGRADED_ENTRIES].map(
      (table) => Object.keys(table).length,
    );
    expect(cells).toEqual([
      ...Array<number>(alerts ?? 0).fill(5),
      ...Array<number>(SHIPPED.length).fill(5),
      ...Array<number>(Object.keys(FACTS).length).fill(4),
      ...Array<number>(degradations ?? 0).fill(5),
      ...Array<number>(entries ?? 0).fill(2),
    ]);
  });
});

test("every alert and degradation says in sentences what has happened and what to do", () => {
  for (const [code, { meaning, toDo }] of Object.entries({ ...ALERT_KINDS, ...DEGRADATIONS })) {
    expect([code, meaning, toDo]).toEqual([
      expect.stringMatching(/^[A-Z]+(_[A-Z]+)*$/),
      expect.stringMatching(/^[A-Z].{15,}\.$/),
      expect.stringMatching(/^[A-Z].{15,}\.$/),
    ]);
  }
});

test("a code is raised by one service alone, or by each process", () => {
  const codes = [PROCESS_ALERTS, ...SERVICES.map(({ alerts }) => alerts)].flatMap((kinds) => Object.keys(kinds));
  expect(codes.toSorted()).toEqual(Object.keys(ALERT_KINDS).toSorted());
});
