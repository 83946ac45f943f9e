import type { Logger } from "pino";
import { reportMissing } from "#services/data-collect/report-missing.ts";
import { type Feed, feedKey, wantedFeeds } from "#services/data-collect/store.ts";
import type { VenueLists } from "#services/data-collect/venue/venue-lists.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import { type Instrument, parseInstrumentId } from "#shared/domain/instrument.ts";
import { timeFrameMs } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import { createFailureRow, type FailureRow } from "#shared/telemetry/failure-row.ts";
import { BarFeed } from "./bar-feed.ts";
import { QuoteFeed } from "./quote-feed.ts";
import { createSilence, type Silence } from "./silence.ts";
import { TradeFeed } from "./trade-feed.ts";

/** A venue counts connections. A feed that it refuses is tried again with growing pauses, from the one to the other. */
const REFUSED: Backoff = { firstMs: 5_000, longestMs: 60_000 };
/** A market may be without a trade or a change of its best prices for this many times as long as a bar may stay away, before it is asked. */
const QUIET_FACTOR = 3;

/** What is kept of a feed for as long as it is wanted, whether it runs or not. */
interface WantedFeed {
  feed: Feed;
  /** Null: it is not of bars. */
  silence: Silence | null;
  /** How often in a row it could not be started, and how often it was refused. */
  starting: FailureRow;
  refused: FailureRow;
}

interface RunningFeed {
  feed: Feed;
  controller: AbortController;
  source: BarFeed | TradeFeed | QuoteFeed;
  ended: Promise<void>;
}

/**
 * Runs the feeds that are wanted here: those of instruments whose partition is owned. During a hand-over two owners publish
 * the same messages; readers skip what they have.
 */
export class Feeds {
  readonly #deps: Deps;
  readonly #log: Logger;
  readonly #lists: Pick<VenueLists, "get" | "status">;
  readonly #owned = new Map<number, OwnedUnit>();
  readonly #running = new Map<string, RunningFeed>();
  readonly #wanted = new Map<string, WantedFeed>();
  #syncing: Promise<void> = Promise.resolve();

  constructor(
    deps: Deps,
    log: Logger,
    lists: Pick<VenueLists, "get" | "status">,
    private readonly staleAfterMs: number,
  ) {
    this.#deps = deps;
    this.#log = log;
    this.#lists = lists;
  }

  own(unit: OwnedUnit): void {
    this.#owned.set(unit.partition, unit);
  }

  async disown(partition: number): Promise<void> {
    this.#owned.delete(partition);
    await this.#end((feed) => this.#deps.bus.partitionOf(feed.instrumentId) === partition);
  }

  /** Brings what runs in line with what is wanted. Calls wait for each other. */
  async sync(): Promise<void> {
    const next = this.#syncing.catch(() => undefined).then(() => this.#syncOnce());
    this.#syncing = next;
    await next;
  }

  /** Publishes the newest bar and quote of each feed again, and looks which of them are silent. */
  repeat(): void {
    for (const { source } of this.#running.values()) {
      if (!(source instanceof TradeFeed)) source.repeat();
      source.look();
    }
  }

  /** Tells the sessions of its partitions what they run without, as far as the market is concerned. */
  async report(): Promise<void> {
    await reportMissing(this.#deps, {
      units: this.#owned,
      statusOf: (id) => this.#lists.status(id),
      staleSinceMs: (feed) => {
        const silence = this.#wanted.get(feedKey(feed))?.silence;
        return silence ? silence.staleSinceMs() : "unknown";
      },
    });
  }

  async stop(): Promise<void> {
    this.#owned.clear();
    await this.#syncing.catch(() => undefined);
    await this.#end(() => true);
  }

  async #syncOnce(): Promise<void> {
    if (this.#owned.size === 0) return;
    const wanted = new Map<string, Feed>();
    for (const feed of await wantedFeeds(this.#deps.db)) {
      if (this.#owned.has(this.#deps.bus.partitionOf(feed.instrumentId))) wanted.set(feedKey(feed), feed);
    }
    await this.#end((feed) => !wanted.has(feedKey(feed)));
    await Promise.all([...wanted.values()].map((feed) => this.#begin(feed)));
  }

  async #begin(feed: Feed): Promise<void> {
    const key = feedKey(feed);
    if (this.#running.has(key)) return;
    const log = this.#log.child({ feed: key });
    const controller = new AbortController();
    const { signal } = controller;
    const { silence, starting, refused } = this.#keep(feed);
    try {
      const instrument = await this.#lists.get(feed.instrumentId);
      // The partition may have gone while the venue was asked.
      if (!this.#owned.has(this.#deps.bus.partitionOf(feed.instrumentId))) return;
      const source = this.#sourceOf({ feed, silence }, { log, instrument, signal });
      const beganMs = this.#deps.clock.monotonicMs();
      const ended = source.run().catch(async (error: unknown) => {
        if (this.#deps.clock.monotonicMs() - beganMs > REFUSED.longestMs) refused.clear();
        refused.note(messageOf(error));
        const pauseMs = backoffMs(REFUSED, refused.count);
        log.error({ reason: messageOf(error), pauseMs }, "feed ended, it is started again");
        await this.#deps.clock.sleep(pauseMs, signal);
        if (this.#running.get(key)?.controller === controller) this.#running.delete(key);
      });
      this.#running.set(key, { feed, controller, source, ended });
      starting.clear();
      log.info("feed started");
    } catch (error) {
      const reason = messageOf(error);
      if (!starting.note(reason)) return;
      log.warn({ reason, failures: starting.count }, "feed not started, trying again");
    }
  }

  #sourceOf(
    { feed, silence }: Pick<WantedFeed, "feed" | "silence">,
    at: { log: Logger; instrument: Instrument; signal: AbortSignal },
  ): RunningFeed["source"] {
    const place = { deps: this.#deps, quietAfterMs: this.staleAfterMs * QUIET_FACTOR, ...at };
    if (feed.kind === "bars" && silence !== null) return new BarFeed({ ...place, timeFrame: feed.timeFrame, silence });
    if (feed.kind === "quotes") return new QuoteFeed(place);
    return new TradeFeed(place);
  }

  #keep(feed: Feed): WantedFeed {
    const key = feedKey(feed);
    const kept = this.#wanted.get(key) ?? {
      feed,
      silence: feed.kind === "bars" ? this.#silenceOf(feed) : null,
      starting: createFailureRow(),
      refused: createFailureRow(),
    };
    this.#wanted.set(key, kept);
    return kept;
  }

  #silenceOf({ instrumentId, timeFrame }: Feed & { kind: "bars" }): Silence {
    const { clock, exchanges } = this.#deps;
    const venue = parseInstrumentId(instrumentId)?.venue ?? "";
    const marketNowMs = (): number => exchanges.marketNowMs(venue) ?? clock.nowMs();
    return createSilence({
      lengthMs: timeFrameMs(timeFrame),
      staleAfterMs: this.staleAfterMs,
      marketNowMs: exchanges.marketNowMs(venue) === null ? null : marketNowMs,
      clock,
    });
  }

  async #end(which: (feed: Feed) => boolean): Promise<void> {
    for (const [key, { feed }] of this.#wanted) if (which(feed)) this.#wanted.delete(key);
    const leaving = [...this.#running].filter(([, { feed }]) => which(feed));
    for (const [key, { controller }] of leaving) {
      this.#running.delete(key);
      controller.abort();
      this.#log.info({ feed: key }, "feed stopped");
    }
    await Promise.all(leaving.map(([, { ended }]) => ended));
  }
}
