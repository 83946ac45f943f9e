import { connect } from "#shared/bus/redis-connection.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { LaneRuns } from "./lane-runs.ts";

/** Hints that wait in Redis at most, and for how long after the newest: then jobs have come. */
const MOST_WAITING = 1_000;
const KEPT_MS = 2_000;
/** No lane of ours is named longer, nor is a wake-up's id. */
const MOST_CHARACTERS = 1_000;
/** How long a read waits, in seconds, and how much later an answer may come. */
const BLOCK_S = 2;
const DEADLINE_MS = 2_000;
/** After a read that failed. */
const PAUSE_MS = 250;

/** A wake-up on its fast way. */
export interface Hint {
  lane: string;
  /** The same as its job's. */
  wakeId: string;
}

/** Where the hints of queues are. */
export interface HintsOptions {
  url: string;
  /** The list of a queue. */
  keyOf: (queue: string) => string;
}

/**
 * Wake-ups on their fast way: a list in Redis, from which one of the listeners takes each. A job goes through BullMQ's
 * scripts, which takes four times as long. A hint may be lost; its job comes.
 */
export class RedisHints {
  #commands: ReturnType<typeof connect> | undefined;

  constructor(private readonly options: HintsOptions) {}

  /** An urgent one goes first. Never throws. */
  push(queue: string, { lane, wakeId }: Hint, isUrgent: boolean): void {
    this.#commands ??= connect(this.options.url, DEADLINE_MS);
    if (this.#commands.status !== "ready") return;
    const key = this.options.keyOf(queue);
    const pipeline = this.#commands.pipeline();
    const text = JSON.stringify([wakeId, lane]);
    (isUrgent ? pipeline.lpush(key, text) : pipeline.rpush(key, text))
      .ltrim(key, 0, MOST_WAITING - 1)
      .pexpire(key, KEPT_MS)
      .exec()
      .catch(() => undefined);
  }

  /** Takes hints while there is room, until the signal aborts. */
  async listen(queue: string, runs: LaneRuns, signal: AbortSignal): Promise<void> {
    const { url, keyOf } = this.options;
    const key = keyOf(queue);
    const redis = connect(url, BLOCK_S * 1_000 + DEADLINE_MS);
    const leave = () => redis.disconnect();
    signal.addEventListener("abort", leave, { once: true });
    while (!signal.aborted) {
      try {
        // What this process cannot follow is left to another one.
        await runs.room();
        const found = await redis.blpop(key, BLOCK_S);
        const hint = found === null ? null : hintOf(found[1]);
        if (hint !== null && !signal.aborted) runs.hint(hint.lane, hint.wakeId);
      } catch (error) {
        // With Redis away the jobs' worker says so. Whoever wrote something else there: nothing of ours is lost with it.
        if (messageOf(error).startsWith("WRONGTYPE")) await redis.unlink(key).catch(() => 0);
        if (!signal.aborted) await Bun.sleep(PAUSE_MS);
      }
    }
    leave();
  }

  close(): void {
    this.#commands?.disconnect();
  }
}

/** Whether it may be a lane's name or a wake-up's id. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= MOST_CHARACTERS;
}

/** Null: it is none of ours. */
function hintOf(text: string): Hint | null {
  if (text.length > MOST_CHARACTERS) return null;
  try {
    const [wakeId, lane] = JSON.parse(text) as unknown[];
    return isName(wakeId) && isName(lane) ? { lane, wakeId } : null;
  } catch {
    return null;
  }
}
