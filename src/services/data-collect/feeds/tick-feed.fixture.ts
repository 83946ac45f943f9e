import { pino } from "pino";
import type { FakeVenue } from "#services/data-collect/data-collect.fixture.ts";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { Deps } from "#shared/service/service.ts";
import type { TickFeedOptions } from "./tick-link.ts";

interface TickFeed {
  run(): Promise<void>;
  look(): void;
}

/** A feed that runs on a clock of its own. */
export interface StartedFeed<Feed extends TickFeed> {
  feed: Feed;
  clock: ManualClock;
  /** Looks once a second for so long. */
  look(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a feed of trades or quotes whose market may be quiet for 6 seconds. `told`: the data of each event that goes out. */
export function startTickFeed<Feed extends TickFeed>(
  create: (options: TickFeedOptions) => Feed,
  venue: FakeVenue,
  told: (data: unknown) => void,
): StartedFeed<Feed> {
  const clock = createManualClock();
  const stopping = new AbortController();
  const bus = {
    async publishVolatile(events: readonly { data: unknown }[]) {
      for (const { data } of events) told(data);
    },
  } as Deps["bus"];
  const deps = { bus, clock, exchanges: { marketData: () => venue } };
  const log = pino({ level: "silent" });
  const feed = create({ deps, log, instrument: spx, quietAfterMs: 6_000, signal: stopping.signal });
  const running = feed.run();
  return {
    feed,
    clock,
    async look(seconds) {
      for (let second = 0; second < seconds; second += 1) {
        await clock.advance(1_000);
        feed.look();
      }
      await clock.advance(0);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
