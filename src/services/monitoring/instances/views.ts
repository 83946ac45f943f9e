import { z } from "zod";
import { type Context, knownInstances } from "#services/monitoring/context.ts";
import { readWaiting, type WaitingEvents } from "#shared/bus/read-waiting.ts";
import { readFailed } from "#shared/dead/read-failed.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { readLeaders } from "#shared/leader/read-leaders.ts";
import { beatSchema } from "#shared/messages/topics.ts";
import { readRoleHistories } from "./instance-store.ts";
import { STANDINGS, type Standings } from "./standings.ts";

const count = z.number().int().nonnegative();
const ms = z.number().nonnegative();

const instanceSchema = beatSchema.omit({ service: true, atMs: true, leaving: true }).extend({
  standing: z
    .enum(STANDINGS)
    .describe(
      "alive: it is heard. silent: it is heard no more. replaced: silent, and another one has begun since. left: it was stopped in order",
    ),
  heardAtMs: epochMs.describe("When it was heard last, UTC epoch milliseconds"),
  roles: z.array(z.string()).describe("What it leads and owns; unit:<group>:<n> is a partition"),
});

/** A service with all there is to see of it. */
export const serviceSchema = z.object({
  service: z.string().describe("Its name, also of its group and its queue"),
  ready: count.describe("How many of its instances are alive and take work"),
  instances: z
    .array(instanceSchema)
    .describe(
      "Those that are heard, those that are missed, and those that left or were replaced within R3_MONITORING_FORGET_MS",
    ),
  lag: z
    .array(
      z.object({
        topic: z.string().describe("What is followed"),
        partition: count.describe("Partition of the topic"),
        events: count.describe("Events that are not handled yet"),
        waitedMs: ms.describe("How long the first of them waits, in milliseconds"),
      }),
    )
    .describe("Where it is behind, by topic and partition; empty: nowhere"),
  tasks: z
    .object({
      open: count.describe("Tasks that are not done"),
      oldestMs: ms.describe("How old the oldest of them is, in milliseconds; 0: there is none"),
    })
    .describe("Of its queue"),
  parked: count.describe("Events and tasks that have failed and are tried again, and the events behind them"),
  dead: count.describe("Events and tasks that wait for a person"),
});
export type ServiceView = z.infer<typeof serviceSchema>;

/** Who leads a role. */
export const roleSchema = z.object({
  role: z.string().describe("What there is only one of; unit:<group>:<n> is a partition that an instance owns"),
  led: z.boolean().describe("Whether its lease runs"),
  instance: z.string().describe("The process that has it, or had it last"),
  process: z.string().nullable().describe("Services, machine and id of that process; null: it was never heard"),
  epoch: count.describe("How often it has changed hands so far, the first time included"),
  sinceMs: epochMs
    .nullable()
    .describe("When it was first seen with this leader, UTC epoch milliseconds; null: not yet"),
  changes: count.describe("How often it has changed hands within the last hour"),
});
export type RoleView = z.infer<typeof roleSchema>;

const HOUR_MS = 3_600_000;

/** Every service that is or was heard, that follows topics or has tasks, by its name. */
export async function readServices(context: Context): Promise<ServiceView[]> {
  const { db, queue, clock } = context.deps;
  const [standings, roles, waiting, backlog, failed] = await Promise.all([
    knownInstances(context),
    readLeaders(db.sql),
    readWaiting(db.sql),
    queue.backlog(),
    readFailed(db.sql),
  ]);
  const nowMs = clock.nowMs();
  const rolesOf = Map.groupBy(
    roles.filter(({ isLed }) => isLed),
    ({ holder }) => holder,
  );
  const names = new Set([
    ...standings.map(({ beat }) => beat.service),
    ...waiting.map(({ group }) => group),
    ...backlog.map(({ queue: name }) => name),
    ...failed.map(({ service }) => service),
  ]);
  return [...names].toSorted().map((service) => {
    const own = standings.filter(({ beat }) => beat.service === service);
    const tasks = backlog.find(({ queue: name }) => name === service);
    const work = failed.find((one) => one.service === service);
    return {
      service,
      ready: own.filter(({ standing, beat }) => standing === "alive" && beat.ready).length,
      instances: own.map((one) => instanceView(one, rolesOf.get(one.beat.instance)?.map(({ role }) => role) ?? [])),
      lag: waiting.filter(({ group, events }) => group === service && events > 0).map(lagView),
      tasks: {
        open: tasks?.open ?? 0,
        oldestMs: tasks === undefined ? 0 : Math.max(0, nowMs - tasks.oldestCreatedAtMs),
      },
      parked: work?.parked ?? 0,
      dead: work?.dead ?? 0,
    };
  });
}

function instanceView({ beat, standing, heardAtMs }: Standings, roles: string[]): ServiceView["instances"][number] {
  const { service: _service, atMs: _atMs, leaving: _leaving, ...rest } = beat;
  return { ...rest, standing, heardAtMs, roles };
}

function lagView({ topic, partition, events, waitedMs }: WaitingEvents): ServiceView["lag"][number] {
  return { topic, partition, events, waitedMs };
}

/** Every role that was ever led, by its name. */
export async function readRoles(context: Context): Promise<RoleView[]> {
  const { db, clock } = context.deps;
  const [standings, roles, histories] = await Promise.all([
    knownInstances(context),
    readLeaders(db.sql),
    readRoleHistories(db.sql, clock.nowMs() - HOUR_MS),
  ]);
  const byInstance = Map.groupBy(standings, ({ beat }) => beat.instance);
  return roles.map(({ role, holder, epoch, isLed }) => {
    const history = histories.get(role);
    return {
      role,
      led: isLed,
      instance: holder,
      process: processOf(byInstance.get(holder) ?? []),
      epoch,
      sinceMs: history?.sinceMs ?? null,
      changes: Math.max(0, epoch - (history?.epochBefore ?? epoch)),
    };
  });
}

function processOf(own: readonly Standings[]): string | null {
  const [first] = own;
  if (first === undefined) return null;
  const { host, pid, service } = first.beat;
  return `${own.length === 1 ? service : `${own.length} services`}, process ${pid} on ${host}`;
}
