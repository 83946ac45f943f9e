import type { Redis } from "ioredis";
import { connect, type RawEntry, usable } from "./redis-connection.ts";

/** What the readers share with the broker that made them. */
export interface RedisContext {
  url: string;
  commands: Redis;
  deadlineMs: number;
  blockMs: number;
  keyOf(stream: { topic: string; part: number }): string;
}

/** A read of so many characters was large: what follows may be as large. */
const LARGE_READ = 8 * 1024 * 1024;

/**
 * How many entries of each stream to ask for. One after what was large or failed, and twice as many with each read that was
 * not: Redis ends a connection whose answer is larger than `client-output-buffer-limit`, and what it gives has to fit into memory.
 */
export class ReadSize {
  #most = Number.POSITIVE_INFINITY;

  of(wanted: number): number {
    return Math.min(wanted, this.#most);
  }

  /** Told of what a read gave. */
  took(entries: readonly RawEntry[]): void {
    const characters = entries.reduce((sum, [, fields]) => sum + (fields?.[1]?.length ?? 0), 0);
    this.#most = characters > LARGE_READ ? 1 : this.#most * 2;
  }

  failed(): void {
    this.#most = 1;
  }
}

/** How long after its time a blocking read may be answered, before its connection counts as silent. */
const LATE_MS = 2_000;

/** A connection of its own for blocking reads. */
export class BlockingConnection {
  private client: Redis | undefined;
  private clientId = 0;
  /** Grows with each connection: what the server knew of an earlier one may be lost. */
  generation = 0;
  private waiting = false;

  constructor(private readonly context: RedisContext) {}

  /** Connects where needed. Throws when that is not possible within the deadline. */
  async open(): Promise<void> {
    if (this.client?.status === "ready" && this.clientId !== 0) return;
    if (this.client === undefined) {
      const client = connect(this.context.url, this.context.blockMs + LATE_MS);
      this.client = client;
      client.on("close", () => {
        this.clientId = 0;
      });
    }
    await usable(this.client, this.context.deadlineMs);
    const id: unknown = await this.client.client("ID");
    this.clientId = Number(id);
    this.generation += 1;
  }

  /** Runs XREAD or XREADGROUP with its block time. Gives the entries by key. */
  async read(command: string, args: readonly (string | number)[]): Promise<[key: string, entries: RawEntry[]][]> {
    const client = this.client;
    if (client === undefined) return [];
    this.waiting = true;
    try {
      return pairsOf(((await client.call(command, ...args)) ?? []) as unknown[]);
    } finally {
      this.waiting = false;
    }
  }

  /** Ends a read that waits. It may not have reached the server yet: so it is tried until the read is over. */
  async interrupt(isOver: () => boolean): Promise<void> {
    while (this.waiting && !isOver() && this.clientId !== 0) {
      const done = await this.context.commands.client("UNBLOCK", this.clientId).catch(() => 1);
      if (done === 1) return;
      await Bun.sleep(2);
    }
  }

  close(): void {
    this.client?.disconnect();
    this.client = undefined;
    this.clientId = 0;
  }
}

/** `call` gives a map of RESP3 flat (key, entries, key, entries); RESP2 gives pairs. */
function pairsOf(answer: readonly unknown[]): [key: string, entries: RawEntry[]][] {
  if (Array.isArray(answer[0])) return answer as [string, RawEntry[]][];
  return Array.from({ length: answer.length / 2 }, (_, at) => [
    String(answer[2 * at]),
    answer[2 * at + 1] as RawEntry[],
  ]);
}
