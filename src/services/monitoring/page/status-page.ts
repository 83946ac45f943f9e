import { type AlertView, viewOf } from "#services/monitoring/alerts/alert.ts";
import { countOpen, listAlerts } from "#services/monitoring/alerts/alert-store.ts";
import type { Context } from "#services/monitoring/context.ts";
import { valueWords } from "#services/monitoring/facts/facts.ts";
import { clockWords } from "#services/monitoring/facts/samples.ts";
import { type RoleView, readRoles, readServices, type ServiceView } from "#services/monitoring/instances/views.ts";
import { type Look, readLook } from "#services/monitoring/rules/rule-store.ts";
import { type AlertCounts, openAlertWords } from "#shared/alerts/open-alerts.ts";
import { readSessions } from "#shared/db/reference-rows.ts";
import { AT_WORK, type Session } from "#shared/domain/session.ts";
import { escaped, pageOf, tableOf } from "#shared/http/html.ts";

/** How often the page is loaded anew, in seconds. */
const RELOADS_AFTER_S = 5;
/** A look that is older than this many pauses is an old one. */
const OLD_AFTER_LOOKS = 10;
const MOST_ROWS = 200;

/** Services, processes, alerts, sessions and leaders as they are now, for a person, also on a phone. It needs no script. */
export async function statusPage(context: Context): Promise<Response> {
  const { deps, settings } = context;
  const { db, clock, alertKinds } = deps;
  const nowMs = clock.nowMs();
  const newest = { after: null, limit: MOST_ROWS };
  const [services, roles, alerts, counts, sessions, last] = await Promise.all([
    readServices(context),
    readRoles(context),
    listAlerts({ sql: db.sql, nowMs }, { state: "open" }, newest),
    countOpen(db.sql),
    // One that cannot be read is told of by who carries it out.
    readSessions(db.sql, { states: [...AT_WORK, "FAULTED"], onUnreadable: () => undefined }),
    readLook(db.sql),
  ]);
  const views = alerts.map((alert) => viewOf(alertKinds, alert));
  const body = [
    `<h1>Status <span class="dim">${new Date(nowMs).toISOString().slice(0, 19).replace("T", " ")} UTC</span></h1>`,
    headOf({ services, counts, last, nowMs, oldAfterMs: OLD_AFTER_LOOKS * settings.R3_MONITORING_LOOK_MS }),
    alertsOf(views, counts, nowMs),
    servicesOf(services, nowMs),
    processesOf(services),
    sessionsOf(sessions),
    leadersOf(roles, nowMs),
  ];
  return pageOf("Status", body.join(""), { reloadS: RELOADS_AFTER_S });
}

function headOf(seen: {
  services: readonly ServiceView[];
  counts: AlertCounts;
  last: Look | null;
  nowMs: number;
  oldAfterMs: number;
}): string {
  const { services, counts, last, nowMs, oldAfterMs } = seen;
  const down = services.filter(({ ready, instances }) => ready === 0 && instances.length > 0);
  const words = [
    down.length === 0 ? "Every service takes work" : `Takes no work: ${down.map(({ service }) => service).join(", ")}`,
    openAlertWords(counts),
  ];
  const blind = Object.entries(last?.blind ?? {}).map(([source, why]) => `${source} (${why})`);
  const looked = last === null ? "Nobody has looked yet" : `The rules were looked at ${ago(last.atMs, nowMs)}`;
  const isOld = last === null || nowMs - last.atMs > oldAfterMs;
  return (
    `<p>${escaped(words.join("; "))}.</p>` +
    `<p class="dim">${isOld ? `<b>${looked}: no instance of monitoring leads.</b>` : `${looked}.`} ` +
    `${blind.length === 0 ? "" : `<b>Not seen: ${escaped(blind.join(", "))}.</b> `}` +
    `The page loads itself every ${RELOADS_AFTER_S} s. <a href="/">Start</a></p>`
  );
}

function alertsOf(alerts: readonly AlertView[], counts: AlertCounts, nowMs: number): string {
  const rows = alerts.map((alert) => {
    const { severity, code, scope, text, toDo, raisedAtMs, acknowledged, silenced } = alert;
    const words = [
      ...(acknowledged === null ? [] : [`seen by ${acknowledged.by}: ${acknowledged.reason}`]),
      ...(silenced === null ? [] : [`silent for ${valueWords(silenced.untilMs - nowMs, "ms")}: ${silenced.reason}`]),
    ];
    return [
      `<b>${severity}</b>`,
      `${escaped(code)}<br><span class="dim">${escaped(scope)}</span>`,
      `${escaped(text)}<br><span class="dim">${escaped(toDo)}</span>${words.map((word) => `<br>${escaped(word)}`).join("")}`,
      ago(raisedAtMs, nowMs),
    ];
  });
  const more = Object.values(counts).reduce((sum, count) => sum + count, 0) - alerts.length;
  const link = `<a href="/api/monitoring/alerts">${more} more</a>, which are older`;
  const table = section("Alerts", ["severity", "code", "what is the matter", "since"], rows, "No alert is open.");
  return more > 0 ? `${table}<p class="dim">and ${link}</p>` : table;
}

function servicesOf(services: readonly ServiceView[], nowMs: number): string {
  const rows = services.map(({ service, ready, instances, lag, tasks, parked, dead }) => {
    const events = lag.reduce((sum, one) => sum + one.events, 0);
    const waitedMs = Math.max(0, ...lag.map((one) => one.waitedMs));
    // Who was stopped or replaced matters only where nobody is there instead.
    const present = instances.filter(({ standing }) => standing === "alive" || standing === "silent");
    const shown = present.length > 0 ? present : instances;
    return [
      `<b>${escaped(service)}</b>`,
      String(ready),
      events === 0 ? "0" : `${events}, for ${valueWords(waitedMs, "ms")}`,
      tasks.open === 0 ? "0" : `${tasks.open}, for ${valueWords(tasks.oldestMs, "ms")}`,
      parked + dead === 0 ? "0" : `${parked} tried again, ${dead} dead`,
      shown.map((instance) => instanceOf(instance, nowMs)).join("<br>"),
    ];
  });
  const head = ["service", "ready", "events that wait", "open tasks", "failed", "instances"];
  return section("Services", head, rows, "No service is heard.");
}

function instanceOf(instance: ServiceView["instances"][number], nowMs: number): string {
  const { host, pid, version, standing, ready, waitsFor, heardAtMs, venueClocks } = instance;
  const clocks = venueClocks
    .filter(({ offsetMs }) => offsetMs !== null)
    .map((clock) => `, clock of ${escaped(clock.venue)} ${clockWords(clock)}`);
  const state = ready ? "ready" : `<b>waits for ${escaped(waitsFor.join(", "))}</b>`;
  const words =
    standing === "alive" ? `${state}${clocks.join("")}` : `<b>${standing}</b>, heard ${ago(heardAtMs, nowMs)}`;
  return `${escaped(host)}/${pid} <span class="dim">${escaped(version)}</span> ${words}`;
}

/** What is a process' own, once for all of its services: those that are heard. */
function processesOf(services: readonly ServiceView[]): string {
  const alive = services.flatMap(({ service, instances }) =>
    instances.filter(({ standing }) => standing === "alive").map((instance) => ({ service, ...instance })),
  );
  const rows = [...Map.groupBy(alive, ({ instance }) => instance).values()].map((own) => {
    const { host, pid, roles, memoryBytes, loopDelayMs } = own.reduce((a, b) => (b.heardAtMs > a.heardAtMs ? b : a));
    return [
      `${escaped(host)}/${pid}`,
      escaped(own.map(({ service }) => service).join(", ")),
      String(roles.length),
      valueWords(memoryBytes, "bytes"),
      valueWords(loopDelayMs, "ms"),
    ];
  });
  const head = ["process", "services", "roles led", "memory", "event-loop delay"];
  return section("Processes", head, rows, "No process is heard.");
}

function sessionsOf(sessions: readonly Session[]): string {
  const rows = sessions
    .slice(0, MOST_ROWS)
    .map(({ id, name, state, stateReason, instrumentIds, degraded }) => [
      `<a href="/api/session-manager/sessions/${id}">${escaped(name)}</a>`,
      state === "FAULTED" ? `<b>${state}</b>` : state,
      escaped(instrumentIds.join(", ")),
      escaped([...(stateReason === null ? [] : [stateReason]), ...degraded.map(({ code }) => code)].join("; ")),
    ]);
  const more = sessions.length > MOST_ROWS ? `<p class="dim">and ${sessions.length - MOST_ROWS} more</p>` : "";
  const head = ["session", "state", "trades", "what there is to say"];
  return section("Sessions", head, rows, "No session is at work.") + more;
}

/** Partitions of a group that one process has are one line. */
function leadersOf(roles: readonly RoleView[], nowMs: number): string {
  const lines = Map.groupBy(roles, ({ role, led, instance }) => `${groupOf(role) ?? role} ${led} ${instance}`);
  const rows = [...lines.values()].map((together) => {
    const [{ role, led, process } = roles[0] as RoleView] = together;
    const sinceMs = Math.max(...together.map((one) => one.sinceMs ?? 0));
    const changes = together.reduce((sum, one) => sum + one.changes, 0);
    return [
      escaped(together.length === 1 ? role : `${together.length} partitions of ${groupOf(role)}`),
      led ? escaped(process ?? "a process that is not heard") : "<b>nobody</b>",
      sinceMs === 0 ? "" : ago(sinceMs, nowMs),
      String(changes),
    ];
  });
  return section("Leaders", ["role", "led by", "since", "changes in an hour"], rows, "Nothing is led.");
}

/** The group of a partition's role; null: it is another role. */
function groupOf(role: string): string | null {
  return /^unit:(.*):\d+$/.exec(role)?.[1] ?? null;
}

function section(title: string, heads: readonly string[], rows: readonly string[][], none: string): string {
  return `<h2>${title}</h2>${tableOf(heads, rows) || `<p class="dim">${none}</p>`}`;
}

/** How long something is ago, for a person. */
function ago(atMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1_000));
  if (seconds < 120) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}
