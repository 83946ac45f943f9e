import { Elysia } from "elysia";
import type { OwnedUnit, Running } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { MARKET_CANDLES, ORDER_LINGER_MS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { createRoutes } from "./routes.ts";
import { GroupCommits } from "./session/group-commits.ts";
import type { Workplace } from "./session/session-runner.ts";
import type { Settings } from "./settings.ts";
import { Shard } from "./shard.ts";
import { concernsShard, SHARD_TOPICS, takeEvents } from "./shard-events.ts";

const GROUP = "strategy-executor";
/** Each session waits for its own at most: there are no more in line than sessions. */
const WARM_UPS_AT_ONCE = 4;
/** How often sessions are looked for that no candle comes for. */
const LISTEN_EVERY_MS = 2_000;

/** Leads the shards whose units this process owns, and tails the candles their sessions wait for. */
export function createStrategyExecutor(deps: Deps, settings: Settings): Service {
  const warmUps = new CallLimit({ service: GROUP, atOnce: WARM_UPS_AT_ONCE, inLine: Number.POSITIVE_INFINITY });
  const place: Workplace = { deps, settings, commits: new GroupCommits(deps), warmUps };
  const shards = new Map<number, Shard>();
  const running: Running[] = [];
  const waitsFor = new Set(["its subscription", "the candles"]);

  const instruments = () => {
    const wanted = new Set<string>();
    for (const shard of shards.values()) shard.addInstruments(wanted);
    return wanted;
  };

  async function acquire(unit: OwnedUnit): Promise<void> {
    await shards.get(unit.partition)?.close();
    const shard = new Shard(place, unit);
    shards.set(unit.partition, shard);
    await shard.open();
  }

  async function release(unit: OwnedUnit): Promise<void> {
    const shard = shards.get(unit.partition);
    if (shard === undefined || shard.unit.epoch !== unit.epoch) return;
    shards.delete(unit.partition);
    await shard.close();
  }

  return {
    async start() {
      await deps.strategies.load();
      running.push(listenForSilence(deps.clock, shards));
      const candles = deps.bus.tail({
        topic: MARKET_CANDLES,
        keys: instruments,
        from: "now",
        handle(events) {
          for (const { data } of events) for (const shard of shards.values()) shard.offer(data);
        },
      });
      running.push(candles);
      const events = deps.bus.subscribe({
        group: GROUP,
        topics: SHARD_TOPICS,
        lingerMs: ORDER_LINGER_MS,
        concerns: concernsShard,
        handle: (tx, batch, unit) => takeEvents(deps, tx, batch, shardOf(shards, place, unit)),
        onAcquired: acquire,
        onReleased: release,
      });
      running.push(events);
      await Promise.all([
        candles.ready.then(() => waitsFor.delete("the candles")),
        events.ready.then(() => waitsFor.delete("its subscription")),
      ]);
    },
    async stop() {
      for (const part of running.toReversed()) await part.close();
      await Promise.all([...shards.values()].map((shard) => shard.close()));
      shards.clear();
    },
    notReady: () => [...waitsFor],
    routes: new Elysia().use(createRoutes(place)).use(createDeadRoutes("strategy-executor", deps)),
  };
}

/** Looks for sessions that no candle comes for, again and again. */
function listenForSilence(clock: Clock, shards: ReadonlyMap<number, Shard>): Running {
  const stopping = new AbortController();
  const listen = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await clock.sleep(LISTEN_EVERY_MS, stopping.signal);
      await Promise.all([...shards.values()].map((shard) => shard.askIfSilent()));
    }
  };
  const listening = listen();
  return {
    ready: Promise.resolve(),
    async close() {
      stopping.abort();
      await listening;
    },
  };
}

/** The shard of a unit whose events come in; one that was given up has no memory to follow. */
function shardOf(shards: ReadonlyMap<number, Shard>, place: Workplace, unit: OwnedUnit): Shard {
  return shards.get(unit.partition) ?? new Shard(place, unit);
}
