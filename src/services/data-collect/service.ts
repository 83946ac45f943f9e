import type { Running } from "#shared/bus/bus.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { SESSIONS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { Feeds } from "./feeds/feeds.ts";
import { createRoutes } from "./routes.ts";
import type { DataCollectSettings } from "./settings.ts";
import { withMadeBars } from "./venue/made-bars.ts";
import { withSharedBars } from "./venue/shared-bars.ts";
import { createRefusedTeller } from "./venue/tell-refused.ts";
import { usableMarket } from "./venue/usable-market.ts";
import { VenueLists } from "./venue/venue-lists.ts";

/** Follows the venues for the sessions that run. */
export function createDataCollect(deps: Deps, settings: DataCollectSettings): Service {
  const log = deps.log;
  const usable = usableMarket(deps.exchanges, createRefusedTeller(deps, log));
  const exchanges = withMadeBars(withSharedBars(usable));
  const lists = new VenueLists(exchanges, deps.clock, settings.R3_DATA_COLLECT_INSTRUMENTS_AGE_MS);
  const feeds = new Feeds({ ...deps, exchanges }, log, lists, settings.R3_DATA_COLLECT_STALE_AFTER_MS);
  const stopping = new AbortController();
  const running: Running[] = [];
  let repeating: Promise<void> = Promise.resolve();
  let hasStarted = false;

  function sync(): void {
    feeds.sync().catch((error: unknown) => log.warn({ reason: messageOf(error) }, "feeds not brought in line"));
  }

  async function report(): Promise<void> {
    await feeds.report().catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, "what sessions run without not told, trying again");
    });
  }

  /** The sync is for what a message that got lost would have told; it costs one query. */
  async function repeat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await deps.clock.sleep(settings.R3_DATA_COLLECT_REPEAT_MS, signal);
      if (signal.aborted) return;
      feeds.repeat();
      sync();
      await report();
    }
  }

  return {
    async start() {
      // A session's event concerns every owner, and comes by the tail.
      const units = deps.bus.own({
        group: "data-collect",
        onAcquired: async (unit) => {
          feeds.own(unit);
          sync();
        },
        onReleased: async ({ partition }) => await feeds.disown(partition),
      });
      const changes = deps.bus.tail({ topic: SESSIONS, from: "now", handle: sync });
      running.push(units, changes);
      await Promise.all(running.map(({ ready }) => ready));
      repeating = repeat(stopping.signal);
      hasStarted = true;
    },
    async stop() {
      stopping.abort();
      await repeating;
      for (const each of running.toReversed()) await each.close();
      await feeds.stop();
    },
    notReady: () => (hasStarted ? [] : ["the bus"]),
    routes: createRoutes({ db: deps.db, clock: deps.clock, log, exchanges, lists, onChanged: sync }),
  };
}
