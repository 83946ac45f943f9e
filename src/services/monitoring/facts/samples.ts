import { instanceKey } from "#services/monitoring/instances/hearing.ts";
import type { RoleHistory } from "#services/monitoring/instances/instance-store.ts";
import type { Standings } from "#services/monitoring/instances/standings.ts";
import type { WaitingEvents } from "#shared/bus/read-waiting.ts";
import type { ServerMemory } from "#shared/bus/server-memory.ts";
import type { FailedWork } from "#shared/dead/read-failed.ts";
import type { ExposedSession } from "#shared/http/clients.ts";
import type { RoleLeader } from "#shared/leader/read-leaders.ts";
import type { Beat, VenueClock } from "#shared/messages/topics.ts";
import type { QueueBacklog } from "#shared/queue/queue.ts";
import type { WaitingLane } from "#shared/queue/read-waiting-lanes.ts";
import { type Sample, valueWords } from "./facts.ts";

/** An instance as a person finds it. */
export function instanceLabel({ service, pid, host }: Pick<Beat, "service" | "pid" | "host">): string {
  return `${service} (process ${pid} on ${host})`;
}

/** What the heartbeats tell of services, instances, processes and machines. */
export function instanceSamples(standings: readonly Standings[]): Sample[] {
  return [
    ...servicesOf(standings),
    ...standings.flatMap(instanceOf),
    ...processesOf(standings),
    ...venueClocksOf(standings),
  ];
}

function servicesOf(standings: readonly Standings[]): Sample[] {
  return [...Map.groupBy(standings, ({ beat }) => beat.service)].map(([service, own]) => {
    const ready = own.filter(({ standing, beat }) => standing === "alive" && beat.ready).length;
    return { fact: "service.ready", subject: `service:${service}`, label: service, value: ready };
  });
}

function instanceOf({ beat, standing, silentMs }: Standings): Sample[] {
  const of = { subject: `instance:${instanceKey(beat)}`, label: instanceLabel(beat) };
  if (standing === "left" || standing === "replaced") return [];
  const silent: Sample = { fact: "instance.silent", ...of, value: silentMs };
  if (standing === "silent") return [silent];
  const waits: Sample = { fact: "instance.waits", ...of, value: beat.waitsFor.length };
  return [
    silent,
    beat.waitsFor.length === 0 ? waits : { ...waits, detail: `it waits for ${beat.waitsFor.join(", ")}` },
  ];
}

/** One process has several services, and one machine several processes: each is told of once. */
function processesOf(standings: readonly Standings[]): Sample[] {
  const alive = standings.filter(({ standing }) => standing === "alive").map(({ beat }) => beat);
  const processes = new Map(alive.map((beat) => [beat.instance, beat]));
  const hosts = new Map(alive.map((beat) => [beat.host, beat]));
  return [
    ...[...processes.values()].flatMap((beat): Sample[] => {
      const services = alive.filter(({ instance }) => instance === beat.instance);
      const service = services.length === 1 ? beat.service : `${services.length} services`;
      const of = { subject: `process:${beat.instance}`, label: instanceLabel({ ...beat, service }) };
      return [
        { fact: "process.memory", ...of, value: beat.memoryBytes },
        { fact: "process.loop-delay", ...of, value: beat.loopDelayMs },
      ];
    }),
    ...[...hosts.values()]
      .filter(({ diskBytes }) => diskBytes > 0)
      .map(({ host, diskBytes, diskFreeBytes }): Sample => {
        const value = (100 * (diskBytes - diskFreeBytes)) / diskBytes;
        const detail = `${valueWords(diskFreeBytes, "bytes")} are free`;
        return { fact: "host.disk", subject: `host:${host}`, label: host, value, detail };
      }),
  ];
}

/** A clock is a machine's: of its processes the newest word counts. */
function venueClocksOf(standings: readonly Standings[]): Sample[] {
  const newest = new Map<string, { host: string; clock: MeasuredClock }>();
  for (const { standing, beat } of standings) {
    for (const clock of standing === "alive" ? beat.venueClocks : []) {
      const subject = `venue:${clock.venue}/${beat.host}`;
      const known = newest.get(subject)?.clock.measuredAtMs ?? Number.NEGATIVE_INFINITY;
      if (isMeasured(clock) && clock.measuredAtMs > known) newest.set(subject, { host: beat.host, clock });
    }
  }
  return [...newest].map(([subject, { host, clock }]) => {
    const { venue, offsetMs, roundTripMs } = clock;
    return {
      fact: "venue.clock",
      subject,
      label: `${venue}, seen from ${host}`,
      value: Math.max(0, Math.abs(offsetMs) - roundTripMs / 2),
      detail: `its clock is ${clockWords(clock)}`,
    };
  });
}

type MeasuredClock = { [Field in keyof VenueClock]: NonNullable<VenueClock[Field]> };

function isMeasured(clock: VenueClock): clock is MeasuredClock {
  return clock.offsetMs !== null && clock.roundTripMs !== null && clock.measuredAtMs !== null;
}

/** How a venue's clock stands to ours, for a person. */
export function clockWords({ offsetMs, roundTripMs }: Pick<VenueClock, "offsetMs" | "roundTripMs">): string {
  if (offsetMs === null || roundTripMs === null) return "not measured";
  const error = `± ${valueWords(Math.ceil(roundTripMs / 2), "ms")}`;
  return `${valueWords(Math.abs(offsetMs), "ms")} ${offsetMs < 0 ? "behind" : "ahead"} (${error})`;
}

/** By group: what waits in all its partitions together, and where most does. */
export function busSamples(waiting: readonly WaitingEvents[]): Sample[] {
  return [...Map.groupBy(waiting, ({ group }) => group)].flatMap(([group, own]): Sample[] => {
    const of = { subject: `group:${group}`, label: group };
    const lag = own.reduce((sum, { events }) => sum + events, 0);
    const most = own.toSorted((a, b) => b.events - a.events)[0];
    const oldest = own.toSorted((a, b) => b.waitedMs - a.waitedMs)[0];
    return [
      { fact: "bus.lag", ...of, value: lag, ...whereOf(most) },
      { fact: "bus.waited", ...of, value: oldest?.waitedMs ?? 0, ...whereOf(oldest) },
    ];
  });
}

function whereOf(at: WaitingEvents | undefined): { detail?: string } {
  if (at === undefined || at.events === 0) return {};
  return { detail: `${at.events} events of "${at.topic}" wait in partition ${at.partition}` };
}

/** By queue; one where nothing waits is left out. */
export function queueSamples(backlog: readonly QueueBacklog[], nowMs: number): Sample[] {
  return backlog.flatMap(({ queue, open, oldestCreatedAtMs }): Sample[] => {
    const of = { subject: `queue:${queue}`, label: queue };
    return [
      { fact: "queue.open", ...of, value: open },
      { fact: "queue.waited", ...of, value: Math.max(0, nowMs - oldestCreatedAtMs), detail: `${open} tasks are open` },
    ];
  });
}

/** By service; one where nothing has failed is left out. */
export function failedSamples(failed: readonly FailedWork[]): Sample[] {
  return failed.flatMap(({ service, parked, dead }): Sample[] => {
    const of = { subject: `service:${service}`, label: service };
    return [
      { fact: "work.parked", ...of, value: parked },
      { fact: "work.dead", ...of, value: dead },
    ];
  });
}

/** By role: how often it has changed hands. */
export function leaderSamples(roles: readonly RoleLeader[], histories: ReadonlyMap<string, RoleHistory>): Sample[] {
  return roles.map(({ role, epoch }) => {
    const value = epoch - (histories.get(role)?.epochBefore ?? epoch);
    return { fact: "leader.changes", subject: `role:${role}`, label: role, value };
  });
}

/** By order: how long it has been on its way. */
export function orderSamples(waiting: readonly WaitingLane[]): Sample[] {
  return waiting.map(({ lane, waitedMs }) => {
    return { fact: "order.waited", subject: `order:${lane}`, label: `Order ${lane}`, value: waitedMs };
  });
}

/** By session: what it holds. */
export function exposedSamples(exposed: readonly ExposedSession[]): Sample[] {
  return exposed.map(({ sessionId, name, missing, openOrders, positions }) => {
    return {
      fact: "session.exposed",
      subject: `session:${sessionId}`,
      label: `Session ${name}`,
      value: positions + openOrders,
      detail: missing.join(", "),
    };
  });
}

/** How full Redis is; nothing, where it does not tell. */
export function redisSample({ usedBytes, mostBytes }: ServerMemory): Sample[] {
  if (mostBytes === 0) return [];
  const detail = `${valueWords(usedBytes, "bytes")} of ${valueWords(mostBytes, "bytes")} are used`;
  return [{ fact: "redis.memory", subject: "redis", label: "Redis", value: (100 * usedBytes) / mostBytes, detail }];
}
