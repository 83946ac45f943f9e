import type { Assignment, BrokerPosition, Delivery, GroupReader } from "./broker.ts";
import type { Stream } from "./log-store.ts";
import { BlockingConnection, ReadSize, type RedisContext } from "./redis-blocking-read.ts";
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

/**
 * So many ids of a stream are remembered until they are acknowledged. Older ones stay pending, and come to the next owner. No
 * worker takes so many before it is done with the first.
 */
const MOST_OPEN = 20_000;

/** What one epoch of a stream was given and is not done with, oldest first. */
interface Open {
  epoch: number;
  ids: Map<string, IdParts>;
}

/** Reads with XREADGROUP: one blocking read over all streams of the member. */
export class RedisGroupReader implements GroupReader {
  private readonly connection: BlockingConnection;
  private streams = new Map<string, Assignment>();
  /** Keys whose group has its right position. Each with the epoch and the connection for which that was checked. */
  private readonly prepared = new Map<string, string>();
  /** Streams whose pending entries of earlier readers are being claimed: for which mark, and from where on. Null: all are claimed. */
  private readonly claims = new Map<string, { mark: string; cursor: string | null }>();
  /** By key. Only of what `read` has given: what is lost on the way there is claimed again, and must not be acknowledged. */
  private readonly delivered = new Map<string, Open>();
  private readonly mendTimes = new MendTimes();
  private readonly size = new ReadSize();
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
    // An earlier owner's entries are claimed by this one, and may not have been handled.
    for (const [key, { epoch }] of this.streams) {
      if (this.delivered.get(key)?.epoch !== epoch) this.delivered.set(key, { epoch, ids: new Map() });
    }
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
      const claimed = await this.prepare(count);
      if (claimed.length > 0 || changes !== this.changes) return claimed;
      const { streams } = this;
      const keys = [...streams.keys()];
      const answer = await this.connection.read("XREADGROUP", [
        ...this.readArguments(this.size.of(count)),
        ...keys,
        ...keys.map(() => ">"),
      ]);
      this.size.took(answer.flatMap(([, entries]) => entries));
      return answer.flatMap(([key, entries]) => this.deliveries(streams.get(key), entries));
    } catch (error) {
      this.mendTimes.soon();
      this.size.failed();
      // The groups are made again at the next read, at the positions of then.
      if (needsGroup(error)) {
        this.prepared.clear();
        this.claims.clear();
      }
      throw brokerError(error);
    }
  }

  /** Redis wants each id by itself. */
  acknowledge(stream: Stream, upTo: BrokerPosition): void {
    const key = this.context.keyOf(stream);
    const ids = this.delivered.get(key)?.ids ?? new Map<string, IdParts>();
    const last = partsOf(upTo);
    const done = [...ids].flatMap(([id, parts]) => (isBelow(last, parts) ? [] : [id]));
    for (const id of done) ids.delete(id);
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

  /** `asked`: the stream as it was when it was asked for. By now it may have another epoch, which claims these entries, or be paused. */
  private deliveries(asked: Assignment | undefined, entries: readonly RawEntry[]): Delivery[] {
    if (asked === undefined) return [];
    const { topic, part, durable, epoch } = asked;
    const open = this.delivered.get(this.context.keyOf(asked));
    if (open?.epoch !== epoch) return [];
    const { ids } = open;
    // Given already and not done with: it is claimed again after the connection was made anew.
    const fresh = durable ? entries : entries.filter(([id]) => !ids.has(id));
    return fresh.flatMap(([id, fields]) => {
      ids.set(id, partsOf(id));
      if (ids.size > MOST_OPEN) ids.delete(ids.keys().next().value ?? id);
      const position = id as BrokerPosition;
      return fields === null ? [] : [{ topic, part, position, seq: durable ? seqOf(id) : 0, json: fields[1] ?? "" }];
    });
  }

  /**
   * Makes groups stand at their positions where they are new to us; gives what earlier readers of volatile streams left, a page
   * at a time. A page whose answer is lost is claimed again.
   */
  private async prepare(count: number): Promise<Delivery[]> {
    const open = [...this.streams].filter(([key, stream]) => this.prepared.get(key) !== this.markOf(stream));
    const begun = open.filter(([key, stream]) => this.claims.get(key)?.mark !== this.markOf(stream));
    if (begun.length > 0) {
      await this.makeGroups(begun);
      await this.removeOthers(begun);
      for (const [key, stream] of begun) this.claims.set(key, { mark: this.markOf(stream), cursor: "0-0" });
    }
    for (const [key, stream] of open) {
      if (!stream.durable) {
        const entries = await this.claimPage(key, count);
        if (entries.length > 0) return this.deliveries(stream, entries);
        await this.context.commands.eval(REMOVE_EMPTY_CONSUMERS, 1, key, this.group, this.member);
      }
      this.prepared.set(key, this.markOf(stream));
    }
    return [];
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

  /** Only for durable streams, whose entries come from the log. SETID alone would keep the entries of earlier owners pending. */
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

  /** The next entries that earlier readers left; none: there are no more. */
  private async claimPage(key: string, count: number): Promise<RawEntry[]> {
    const claim = this.claims.get(key);
    while (claim !== undefined && claim.cursor !== null) {
      const place = [key, this.group, this.member, 0, claim.cursor] as const;
      const answer = await this.context.commands.xautoclaim(...place, "COUNT", this.size.of(count));
      const [next, entries] = answer as [string, RawEntry[]];
      claim.cursor = next === "0-0" ? null : next;
      this.size.took(entries);
      if (entries.length > 0) return entries;
    }
    return [];
  }
}
