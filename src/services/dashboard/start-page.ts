import { openAlertWords } from "#shared/alerts/open-alerts.ts";
import { escaped, tableOf } from "#shared/http/html.ts";
import type { Overview } from "./overview.ts";
import type { SessionLine } from "./session-line.ts";

/** Where a person reads more, from the start page. */
const SESSION = "/api/session-manager/sessions/";
const DASH = "&#8211;";

/** The overview as HTML: what asks for a person first. `nowMs` is what ages are counted to. */
export function startSections(overview: Overview, nowMs: number): string {
  const { sessions, sessionCounts, alerts, alertCounts, services, queues } = overview;
  return [
    section(
      "Alerts",
      `${openAlertWords(alertCounts)}; <a href="/api/monitoring/alerts">all of them</a>`,
      tableOf(
        ["severity", "what it is, and what to do", "since"],
        alerts.map(({ severity, text, code, raisedAtMs, toDo }) => [
          escaped(severity),
          `${escaped(text)}<br><span class="dim">${escaped(code)}: ${escaped(toDo)}</span>`,
          ageOf(raisedAtMs, nowMs),
        ]),
      ),
    ),
    section(
      "Services",
      services === null ? "monitoring does not answer" : `<a href="/api/monitoring/">their status</a>`,
      tableOf(["service", "ready", "version", "waits for", "events behind", "dead"], (services ?? []).map(serviceRow)),
    ),
    section(
      "Sessions",
      stateCountsOf(sessionCounts) || "there is none",
      tableOf(
        ["session", "strategy", "instrument", "state", "changed"],
        sessions.map((one) => sessionRow(one, nowMs)),
      ),
    ),
    section(
      "Task queues",
      `${queues.length === 0 ? "nothing waits" : "what waits"}; <a href="/queues">the board of their jobs</a>`,
      tableOf(
        ["queue", "open tasks", "oldest"],
        queues.map(({ queue, open, oldestCreatedAtMs }) => [
          escaped(queue),
          String(open),
          ageOf(oldestCreatedAtMs, nowMs),
        ]),
      ),
    ),
  ].join("");
}

/** The counts of each state, as `3 RUNNING, 1 STOPPED`; empty: there are none. */
function stateCountsOf(counts: Overview["sessionCounts"]): string {
  return Object.entries(counts)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ");
}

function serviceRow(one: NonNullable<Overview["services"]>[number]): string[] {
  const { service, ready, instances, versions, waitsFor, events, dead } = one;
  const words = [`${ready} of ${instances}`, versions.join(", "), waitsFor.join(", "), String(events), String(dead)];
  return [service, ...words].map(escaped);
}

function sessionRow(session: SessionLine, nowMs: number): string[] {
  const { id, name, strategy, instrumentIds, timeFrame, state, stateReason, degraded, updatedAtMs } = session;
  const why = [stateReason, ...degraded.map(({ text }) => text)].filter((text) => text !== null);
  return [
    `<a href="${SESSION}${encodeURIComponent(id)}">${escaped(name)}</a>`,
    escaped(strategy),
    `${escaped(instrumentIds.join(", "))} ${escaped(timeFrame)}`,
    `${escaped(state)}${why.map((text) => `<br><span class="dim">${escaped(text)}</span>`).join("")}`,
    ageOf(updatedAtMs, nowMs),
  ];
}

function section(title: string, about: string, rows: string): string {
  return `<h2>${title}</h2><p class="dim">${about}</p>${rows}`;
}

/** How long ago, in the largest unit that says something: 12 s, 5 min, 3 h, 2 d. A time that is still to come is a dash. */
export function ageOf(atMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - atMs) / 1_000);
  if (seconds < 0) return DASH;
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
