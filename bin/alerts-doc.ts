import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { markdownTable } from "#local/markdown-table.ts";
import { ROOT } from "#local/root.ts";
import { ALERT_KINDS } from "#local/services.ts";
import { FACTS, type FactKind, factOf, valueWords } from "#services/monitoring/facts/facts.ts";
import { SHIPPED_RULES } from "#services/monitoring/rules/shipped-rules.ts";
import type { AlertKind } from "#shared/alerts/alert-kinds.ts";
import { DEGRADATIONS, DEGRADED_ENTRIES } from "#shared/domain/degradation.ts";
import { riskPolicySchema } from "#shared/domain/session.ts";

/** The committed file. */
export const ALERTS_DOC = resolve(ROOT, "docs/alerts.md");

const HEAD = `# Alerts, and what a session can run without

Made by \`bin/bun run alerts-doc\` from the code; a test compares them. [First session](first-session.md) says where to see them.`;

const ALERTS = `## Alerts
An alert has a scope (\`session:\`, \`account:\`, \`order:\`, \`instrument:\`, \`series:\`, \`events:\`, \`tasks:\`, \`service:\`, \`instance:\`, \`process:\`, \`host:\`, \`group:\`, \`queue:\`, \`role:\`, \`venue:\`, \`rule:\`, each with the id of what it is about) and a code, is raised once, and stays open until it is ended. It is an event of the topic
\`alerts\` (\`alert.raised\`, \`alert.cleared\`) and stands in \`GET /api/monitoring/alerts\`, with \`state=over\` also afterwards. A condition ends by itself; what has happened is cleared by
a person who has dealt with it: \`POST /api/monitoring/alerts/<id>/clear\` with \`{"reason"}\`. There it is also acknowledged and silenced: [docs/monitoring.md](monitoring.md).

Severities: **critical**: money or protection is at stake, look now. **warning**: look at it today. **info**: good to know.`;

const DEGRADED = `## What a session can run without
Each entry of a session's \`degraded\` has one of these codes, a sentence with the reason, and since when. It ends by itself; at rest and FAULTED the list is empty.`;

const RULES = `## Rules
What monitoring tells of by itself, each as the alert of its name: [docs/monitoring.md](monitoring.md) says how to change them and to make others.`;

const FACTS_HEAD = `## What rules can be about
As \`GET /api/monitoring/facts\` lists them.`;

const ENTRIES = `## Entries while something is missing
What a session's risk policy says as \`degradedEntries\`. A denied entry has the code \`SESSION_DEGRADED\`. Risk never denies exits for it, but with \`BOOK_INCOMPLETE\`, which has that code itself; whether the venue takes them is above.`;

const ENDS: Record<AlertKind["ends"], string> = { condition: "by itself", fact: "a person clears it" };

/** The text of docs/alerts.md: every code of an alert and of a degradation, in the order of the alphabet. */
export function alertsDoc(): string {
  const byCode = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);
  const alerts = Object.entries(ALERT_KINDS)
    .toSorted(byCode)
    .map(([code, { severity, meaning, toDo, ends }]) => [`\`${code}\``, severity, meaning, toDo, ENDS[ends]]);
  const degradations = Object.entries(DEGRADATIONS)
    .toSorted(byCode)
    .map(([code, { reporter, stalePrices, meaning, toDo }]) => [
      `\`${code}\``,
      meaning,
      toDo,
      reporter,
      stalePrices ? "stale" : "current",
    ]);
  const byDefault = riskPolicySchema.shape.degradedEntries.parse(undefined);
  const entries = Object.entries(DEGRADED_ENTRIES).map(([value, meaning]) => [
    `\`${value}\`${value === byDefault ? " (default)" : ""}`,
    meaning,
  ]);
  return `${[
    HEAD,
    `${ALERTS}\n\n${markdownTable(["code", "severity", "what has happened", "what to do", "ends"], alerts)}`,
    `${RULES}\n\n${markdownTable(["rule", "met when", "for", "not of", "severity"], rules())}`,
    `${FACTS_HEAD}\n\n${markdownTable(["fact", "what it tells", "of each", "in"], facts())}`,
    `${DEGRADED}\n\n${markdownTable(["code", "meaning", "what to do", "told by", "prices"], degradations)}`,
    `${ENTRIES}\n\n${markdownTable(["value", "meaning"], entries)}`,
  ].join("\n\n")}\n`;
}

function rules(): string[][] {
  return SHIPPED_RULES.map(({ id, fact, comparison, limit, forMs, except, severity }) => [
    `\`${id}\``,
    `\`${fact}\` is ${comparison} ${valueWords(limit, factOf(fact).unit)}`,
    forMs === 0 ? "" : valueWords(forMs, "ms"),
    except.map((beginning) => `\`${beginning}\``).join(", "),
    severity,
  ]);
}

function facts(): string[][] {
  return Object.entries<FactKind>(FACTS).map(([fact, { meaning, subject, unit }]) => [
    `\`${fact}\``,
    meaning,
    `\`${subject}\``,
    unit,
  ]);
}

if (import.meta.main) {
  new Command("alerts-doc").description("Writes docs/alerts.md from the alerts of all services.").parse();
  writeFileSync(ALERTS_DOC, alertsDoc());
}
