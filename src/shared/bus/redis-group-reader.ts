import type { Assignment, BrokerPosition, Delivery, GroupReader } from "./broker.ts";
import type { Stream } from "./log-store.ts";
import { BlockingConnection, type RedisContext } from "./redis-blocking-read.ts";
import { brokerError, type IdParts, isBelow, partsOf, type RawEntry, runPipeline, seqOf } from "./redis-connection.ts";
import { MendTimes, mendStreams } from "./redis-mending.ts";

/**
 * Removes consumers that have nothing pending, in one step with the look at them: removing one drops its pending entries,
 * and an earlier owner may still be reading. One that reads on is made again by Redis.
 *
 * KEYS[1] the stream, ARGV[1] the group, ARGV[2] the consumer that stays. Result: nothing.
 */
const REMOVE_EMPTY_CONSUMERS = `
for _, fields in ipairs(redis.call("XINFO", "CONSUMERS", KEYS[1], ARGV[1])) do
  local consumer = {}
  for place = 1, #fields, 2 do consumer[fields[place]] = fields[place + 1] end
  if consumer.name ~= ARGV[2] and consumer.pending == 0 then
    redis.call("XGROUP", "DELCONSUMER", KEYS[1], ARGV[1], consumer.name)
  end
end`;

function needsGroup(error: unknown): boolean {
  return error instanceof Error && (error.message.startsWith("NOGROUP") || error.message.startsWith("UNBLOCKED"));
}

/** So many ids a stream wait to be acknowledged at most: entries that nobody should have put in never are. */
const MOST_OPEN = 20_000;

/** Reads with XREADGROUP: one blocking read over all streams of the member. */
export class RedisGroupReader implements GroupReader {
  private readonly connection: BlockingConnection;
  private streams = new Map<string, Assignment>();
  /** Keys whose group stands where it should, with the epoch and the connection that this was made sure for. */
  private readonly prepared = new Map<string, string>();
  /** Ids by key that were delivered here and not acknowledged, the newest of them. */
  private readonly delivered = new Map<string, Map<string, IdParts>>();
  private readonly mendTimes = new MendTimes();
  private changes = 0;
  private changed = Promise.withResolvers<void>();
  private closed = false;

  constructor(
    private readonly context: RedisContext,
    private readonly group: string,
    private readonly member: string,
  ) {
    this.connection = new BlockingConnection(context);
  }

  assign(streams: readonly Assignment[]): void {
    this.streams = new Map(streams.map((stream) => [this.context.keyOf(stream), stream]));
    this.interrupt();
  }

  async read(count: number): Promise<Delivery[]> {
    const changes = this.changes;
    if (this.closed) return [];
    if (this.streams.size === 0) {
      await this.idle();
      return [];
    }
    try {
      await this.connection.open();
      if (this.mendTimes.take()) await mendStreams(this.context.commands, [...this.streams.keys()]);
      const claimed = await this.prepare();
      if (claimed.length > 0 || changes !== this.changes) return claimed;
      const keys = [...this.streams.keys()];
      const answer = await this.connection.read("XREADGROUP", [
        ...this.readArguments(count),
        ...keys,
        ...keys.map(() => ">"),
      ]);
      return answer.flatMap(([key, entries]) => this.deliveries(key, entries));
    } catch (error) {
      this.mendTimes.soon();
      // The groups are made again at the next read, at the positions of then.
      if (needsGroup(error)) this.prepared.clear();
      throw brokerError(error);
    }
  }

  /** Redis wants each id by itself. */
  acknowledge(stream: Stream, upTo: BrokerPosition): void {
    const key = this.context.keyOf(stream);
    const open = this.delivered.get(key) ?? new Map<string, IdParts>();
    const last = partsOf(upTo);
    const done = [...open].flatMap(([id, parts]) => (isBelow(last, parts) ? [] : [id]));
    for (const id of done) open.delete(id);
    if (done.length === 0) return;
    this.context.commands.xack(key, this.group, ...done).catch(() => {
      // Only a mirror: what stays pending is skipped by its number.
    });
  }

  close(): Promise<void> {
    this.closed = true;
    this.interrupt();
    this.connection.close();
    return Promise.resolve();
  }

  private readArguments(count: number): (string | number)[] {
    return ["GROUP", this.group, this.member, "COUNT", count, "BLOCK", this.context.blockMs, "STREAMS"];
  }

  private interrupt(): void {
    this.changes += 1;
    const changes = this.changes;
    this.changed.resolve();
    this.changed = Promise.withResolvers();
    void this.connection.interrupt(() => changes !== this.changes);
  }

  private async idle(): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, this.context.blockMs);
    await Promise.race([this.changed.promise, timeout.promise]);
    clearTimeout(timer);
  }

  private deliveries(key: string, entries: readonly RawEntry[]): Delivery[] {
    const stream = this.streams.get(key);
    if (stream === undefined) return [];
    const { topic, part, durable } = stream;
    const open = this.delivered.get(key) ?? new Map<string, IdParts>();
    this.delivered.set(key, open);
    return entries.flatMap(([id, fields]) => {
      open.set(id, partsOf(id));
      if (open.size > MOST_OPEN) open.delete(open.keys().next().value ?? id);
      const position = id as BrokerPosition;
      return fields === null ? [] : [{ topic, part, position, seq: durable ? seqOf(id) : 0, json: fields[1] ?? "" }];
    });
  }

  /** Makes groups stand at their positions where they are new to us; gives what earlier readers of volatile streams left. */
  private async prepare(): Promise<Delivery[]> {
    const open = [...this.streams].filter(([key, stream]) => this.prepared.get(key) !== this.markOf(stream));
    if (open.length === 0) return [];
    for (const key of this.prepared.keys()) if (!this.streams.has(key)) this.prepared.delete(key);
    await this.makeGroups(open);
    await this.removeOthers(open);
    const claimed: Delivery[] = [];
    for (const [key, stream] of open) {
      if (!stream.durable) {
        claimed.push(...(await this.claim(key)));
        await this.context.commands.eval(REMOVE_EMPTY_CONSUMERS, 1, key, this.group, this.member);
      }
      this.prepared.set(key, this.markOf(stream));
    }
    return claimed;
  }

  /** Entries of a volatile stream may have been lost with the connection; those of a durable one come from the log. */
  private markOf(stream: Assignment): string {
    return stream.durable ? `${stream.epoch}` : `${stream.epoch}/${this.connection.generation}`;
  }

  private async makeGroups(open: readonly [string, Assignment][]): Promise<void> {
    const startOf = (stream: Assignment): string => (stream.durable ? `${stream.doneSeq()}-0` : "0");
    const creating = this.context.commands.pipeline();
    for (const [key, stream] of open) creating.xgroup("CREATE", key, this.group, startOf(stream), "MKSTREAM");
    const created = await runPipeline(creating);
    const moving = this.context.commands.pipeline();
    open.forEach(([key, stream], index) => {
      const error = created[index]?.[0];
      if (error === undefined || error === null) return;
      if (!error.message.startsWith("BUSYGROUP")) throw brokerError(error);
      if (stream.durable) moving.xgroup("SETID", key, this.group, startOf(stream));
    });
    for (const [error] of await runPipeline(moving)) if (error !== null) throw brokerError(error);
  }

  /** Of durable streams, whose entries come from the log: SETID alone leaves those pending that were given to earlier owners. */
  private async removeOthers(open: readonly [string, Assignment][]): Promise<void> {
    const durable = open.filter(([, stream]) => stream.durable);
    const asking = this.context.commands.pipeline();
    for (const [key] of durable) asking.xinfo("CONSUMERS", key, this.group);
    const found = await runPipeline(asking);
    const removing = this.context.commands.pipeline();
    durable.forEach(([key], index) => {
      for (const fields of (found[index]?.[1] ?? []) as unknown[][]) {
        const name = String(fields[1]);
        if (name !== this.member) removing.xgroup("DELCONSUMER", key, this.group, name);
      }
    });
    await runPipeline(removing);
  }

  private async claim(key: string): Promise<Delivery[]> {
    const claimed: Delivery[] = [];
    let cursor = "0-0";
    do {
      const answer = await this.context.commands.xautoclaim(key, this.group, this.member, 0, cursor, "COUNT", 500);
      const [next, entries] = answer as [string, RawEntry[]];
      claimed.push(...this.deliveries(key, entries));
      cursor = next;
    } while (cursor !== "0-0");
    return claimed;
  }
}
