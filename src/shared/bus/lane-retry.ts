import type { Tx } from "#shared/db/db.ts";
import { isOverdue, OVERDUE_TRIES } from "#shared/db/transact-within.ts";
import { storableText } from "#shared/errors/storable-text.ts";
import { verdictOf } from "#shared/errors/verdict.ts";
import type { Topic } from "./bus.ts";
import { decode } from "./envelope.ts";
import { answers, withinDeadline } from "./handler-deadline.ts";
import type { KnownLane } from "./parked-lanes.ts";
import type { ParkedEntry } from "./parking.ts";
import { parkedPauseMs } from "./retry-pauses.ts";
import { tellFailed, tellNotNoted, type UnitPlace, unitEpochOf } from "./unit-place.ts";

/** Events of a lane in one transaction at most. */
const LARGEST = 256;

/** Tries parked lanes again, each in its order, in transactions that the unit's position fences like those of its batches. */
export class LaneRetry {
  constructor(private readonly place: UnitPlace) {}

  /** Tries the first events of a lane that is due. Throws what no event is to blame for. */
  async again(lane: KnownLane): Promise<void> {
    const { clock, lanes, unit } = this.place;
    const tried: ParkedEntry[] = [];
    try {
      const left = await this.attempt(lane, tried);
      if (left === "nothing") lanes.release(lane);
      else {
        lane.size = Math.min(lane.size * 2, LARGEST);
        lane.dueAtMs = left === "dead" ? Number.POSITIVE_INFINITY : clock.monotonicMs();
      }
    } catch (error) {
      const [only, ...others] = tried;
      if (isOverdue(error)) {
        if (only !== undefined && others.length === 0 && (await answers(this.place))) {
          await this.failed(lane, only, error).catch((failure: unknown) => tellNotNoted(this.place, failure));
        }
        throw error;
      }
      if (verdictOf(error) === "unit" || unit.signal.aborted || only === undefined) throw error;
      // One of them: from the first on, one by one.
      if (others.length > 0) lane.size = 1;
      else await this.failed(lane, only, error);
    }
  }

  /** What the lane begins with after it. */
  private attempt(lane: KnownLane, tried: ParkedEntry[]): Promise<"nothing" | "dead" | "more"> {
    const { logStore, subscription, unit } = this.place;
    const topic = this.topicOf(lane);
    const skipsDead = topic.onDead === "skip";
    return withinDeadline(this.place, async (tx) => {
      this.fence(tx, topic);
      // One more than is tried, to see whether something is left.
      const found = await logStore.parking.open(tx, unitEpochOf(this.place), lane, { limit: lane.size + 1, skipsDead });
      const firstDead = found.findIndex(({ state }) => state === "dead");
      const open = firstDead === -1 ? found : found.slice(0, firstDead);
      tried.push(...open.slice(0, lane.size));
      if (tried.length > 0) {
        const events = tried.map((entry) => decode(topic, unit.partition, entry));
        const seqs = tried.map(({ seq }) => seq);
        logStore.parking.remove(tx, unitEpochOf(this.place), lane.topic, seqs).catch(() => undefined);
        await subscription.handle?.(tx, events, unit);
      }
      if (tried.length < open.length) return "more";
      return firstDead === -1 ? "nothing" : "dead";
    });
  }

  private async failed(lane: KnownLane, entry: ParkedEntry, error: unknown): Promise<void> {
    const { db, logStore, clock, poison } = this.place;
    const topic = this.topicOf(lane);
    const tries = entry.tries + 1;
    const mostTries = isOverdue(error) ? OVERDUE_TRIES : poison.deadAfterTries;
    const isDead = verdictOf(error) === "dead" || tries >= mostTries;
    const delayMs = parkedPauseMs(tries, Math.random());
    await db.transaction(async (tx) => {
      this.fence(tx, topic);
      const state = isDead ? "dead" : "parked";
      const failed = { topic: lane.topic, seq: entry.seq, state, tries, error: storableText(error), delayMs } as const;
      logStore.parking.fail(tx, unitEpochOf(this.place), failed).catch(() => undefined);
      await tellFailed(this.place, tx, { topic, seq: entry.seq, key: lane.key, tries, isDead, error });
    });
    // A dead head is looked at once more: what it holds, its topic says.
    lane.dueAtMs = clock.monotonicMs() + (isDead ? 0 : delayMs);
  }

  /** First in the transaction, as in a batch's: the position stays, and is this owner's to the commit. */
  private fence(tx: Tx, { name }: Topic): void {
    const at = this.place.positions.storedOf(name);
    const stay = { topic: name, before: at, after: at };
    this.place.logStore.advance(tx, unitEpochOf(this.place), [stay]).catch(() => undefined);
  }

  private topicOf(lane: KnownLane): Topic {
    const topic = this.place.subscription.topics.find(({ name }) => name === lane.topic);
    if (topic === undefined) throw new RangeError(`A lane of "${lane.topic}", which is not subscribed to.`);
    return topic;
  }
}
