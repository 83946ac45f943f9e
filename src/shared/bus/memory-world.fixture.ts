import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import type { Db } from "#shared/db/db.ts";
import { changeAtCommit, createMemoryDb } from "#shared/db/memory.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Leader } from "#shared/leader/leader.ts";
import { type Effect, LEASE_MS, type Member, SEAL, type World } from "./bus-world.fixture.ts";
import { createBus } from "./create-bus.ts";
import type { LogStore } from "./log-store.ts";
import { createMemoryBroker, MemoryStreams } from "./memory-broker.ts";
import { createMemoryLogStore } from "./memory-log-store.ts";
import { sealBroker } from "./sealed-broker.ts";
import type { PoisonOptions } from "./unit-place.ts";

const log = pino({ level: import.meta.env["R3_TEST_LOG"] ?? "silent" });

interface Lease {
  epoch: number;
  holder: object | undefined;
  untilMs: number;
}

/** Roles in memory for one member. A dead member's leases run out. */
export function memoryLeader(leases: Map<string, Lease>, db: Db, isDead: () => boolean): Leader {
  const holder = {};
  const leader: Leader = {
    leaseMs: LEASE_MS,
    async tryLead(role, onTaken) {
      const lease = leases.get(role) ?? { epoch: 0, holder: undefined, untilMs: 0 };
      leases.set(role, lease);
      if (isDead() || (lease.holder !== undefined && systemClock.monotonicMs() < lease.untilMs)) return null;
      lease.holder = holder;
      lease.untilMs = Number.POSITIVE_INFINITY;
      const epoch = lease.epoch + 1;
      lease.epoch = epoch;
      await db.transaction(async (tx) => onTaken?.(tx, epoch));
      return {
        role,
        epoch,
        signal: new AbortController().signal,
        release() {
          if (lease.epoch === epoch && !isDead()) lease.holder = undefined;
          return Promise.resolve();
        },
      };
    },
    fence: () => Promise.resolve(),
    unled: () => [],
    async lead(_role, signal) {
      while (!signal.aborted) await systemClock.sleep(1_000, signal);
    },
    close() {
      if (!isDead()) return Promise.resolve();
      for (const lease of leases.values())
        if (lease.holder === holder) lease.untilMs = systemClock.monotonicMs() + LEASE_MS;
      return Promise.resolve();
    },
  };
  return leader;
}

interface Shared {
  db: Db;
  logStore: LogStore;
  streams: MemoryStreams;
  leases: Map<string, Lease>;
}

function away(): Promise<never> {
  return Promise.reject(new AppError("DATABASE_UNAVAILABLE", "outage", "The member is dead."));
}

/** A port of a member that may die: then each of its calls fails. */
function mortal<Port extends object>(port: Port, isDead: () => boolean): Port {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value === "object" && value !== null) return mortal(value, isDead);
      if (typeof value !== "function") return value;
      return isDead() ? away : (value.bind(target) as unknown);
    },
  });
}

function joinAt(shared: Shared, poison: Partial<PoisonOptions>): Member {
  let dead = false;
  const db: Db = {
    ...shared.db,
    ping: () => (member.isMute ? away() : shared.db.ping()),
    async transaction(body, options) {
      await member.gate;
      return dead ? away() : shared.db.transaction(async (tx) => (dead ? away() : body(tx)), options);
    },
  };
  const logStore = mortal(shared.logStore, () => dead);
  const memory = sealBroker(createMemoryBroker(systemClock, shared.streams), SEAL, () => undefined);
  const broker: typeof memory = {
    ...memory,
    async push(entries) {
      if (member.onPush === undefined) await memory.push(entries);
      else await member.onPush(entries, (passed) => memory.push(passed));
    },
  };
  const leader = memoryLeader(shared.leases, db, () => dead);
  const instance = `m-${crypto.randomUUID().slice(0, 6)}`;
  const bus = createBus({
    db,
    logStore,
    broker,
    leader,
    clock: systemClock,
    log,
    instance,
    partitions: 4,
    ...poison,
  });
  const member: Member = {
    bus,
    gate: undefined,
    isMute: false,
    onPush: undefined,
    async kill() {
      dead = true;
      await leader.close();
    },
    close: () => bus.close(),
  };
  return member;
}

/** Log and broker in memory. */
export function createMemoryWorld(): World {
  const shared: Shared = {
    db: createMemoryDb(),
    logStore: createMemoryLogStore(systemClock),
    streams: new MemoryStreams(),
    leases: new Map(),
  };
  const effects: Effect[] = [];
  const members: Member[] = [];
  const world: World = {
    db: shared.db,
    logStore: shared.logStore,
    join(poison = {}) {
      const member = joinAt(shared, poison);
      members.push(member);
      return Promise.resolve(member);
    },
    loseStreams() {
      shared.streams.byName.clear();
      return Promise.resolve();
    },
    loseGroup(group, topics) {
      for (const [name, stream] of shared.streams.byName) {
        if (topics.some((topic) => name.startsWith(`${topic.name}:`))) stream.groups.delete(group);
      }
      return Promise.resolve();
    },
    note(tx, effect) {
      changeAtCommit(tx, () => {
        const isDouble = effects.some(
          ({ group, key, n }) => group === effect.group && key === effect.key && n === effect.n,
        );
        if (isDouble) throw new Error(`A second effect: ${JSON.stringify(effect)}`);
        effects.push(effect);
      });
      return Promise.resolve();
    },
    // Nothing in memory is worked by anyone else.
    runOn: () => new Promise(() => undefined),
    noted: (group) => Promise.resolve(effects.filter((effect) => effect.group === group)),
    async leave() {
      await Promise.all(members.splice(0).map((member) => member.close()));
    },
    async close() {
      await world.leave();
    },
  };
  return world;
}
