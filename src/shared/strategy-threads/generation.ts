import { hasCode } from "#shared/errors/app-error.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";
import type { Catalogue } from "./catalogue.ts";
import type { StrategyInfo } from "./definitions.ts";
import type { Seat, Seating, Turn, TurnRequest } from "./strategy-host.ts";
import { type Suspect, type SuspectGroup, Suspects } from "./suspects.ts";
import type { StrategyAnswers, StrategyRequest } from "./thread.ts";
import type { ThreadHostOptions } from "./thread-host.ts";
import { megabytes, NOBODY, strategyFailed, type ThreadEnd, threadEnded, WatchedThread } from "./watched-thread.ts";

const MODULE = new URL("./thread.ts", import.meta.url);

interface Occupant extends Suspect {
  /** What became of it though it asked nothing. */
  condemned: string | null;
}

/** A thread and who is in it. */
interface Room {
  thread: WatchedThread;
  occupants: Map<number, Occupant>;
  /** The sessions that ever were in it: what one left behind is there yet. */
  sessions: Set<string>;
  /** Whose it is alone. Null: it is shared by all. */
  group: SuspectGroup<Room> | null;
  weighing: boolean;
}

/** How often parameters are checked anew when the thread was ended meanwhile. */
const CHECK_TRIES = 5;

let seats = 0;
const nextSeat = () => (seats += 1);

/** The threads that have one set of source files. */
export class Generation {
  catalogue: Catalogue = { strategies: [], faults: [] };
  #rooms: readonly Room[] = [];
  #desk: WatchedThread | null = null;
  readonly #suspects = new Suspects<Room>();

  constructor(private readonly options: ThreadHostOptions & { crowd: Set<WatchedThread> }) {}

  inspect(file: string): Promise<StrategyInfo[]> {
    const seat = nextSeat();
    return ask(this.#openDesk(), seat, { kind: "inspect", seat, file });
  }

  /** A schema that throws or does not come back refuses, with its words. */
  async check({ name, version, file, texts }: StrategyInfo, params: unknown): Promise<StrategyCheck> {
    for (let tries = 1; ; tries += 1) {
      const seat = nextSeat();
      try {
        const named = { file, texts, strategy: name, version };
        return await ask(this.#openDesk(), seat, { kind: "check", seat, ...named, params });
      } catch (error) {
        // The desk was ended by the schema of another one.
        if (hasCode(error, "THREAD_ENDED") && tries < CHECK_TRIES) continue;
        if (!hasCode(error, "STRATEGY_FAILED")) throw error;
        return {
          kind: "invalid-params",
          errors: [{ field: "strategy", message: `cannot check its parameters: ${error.message}` }],
        };
      }
    }
  }

  async open({ file, texts, forming }: StrategyInfo, seating: Seating): Promise<Seat> {
    const { sessionId, strategy, version, params, instrument, snapshot } = seating;
    const room = this.#roomFor(sessionId);
    const seat = nextSeat();
    const occupant: Occupant = { sessionId, strategy, condemned: null };
    room.occupants.set(seat, occupant);
    room.sessions.add(sessionId);
    let left = false;
    const leave = () => {
      left = true;
      if (room.occupants.delete(seat) && room.thread.ended === null) this.#left(room, seat, sessionId);
    };
    const turn = (wanted: TurnRequest): Promise<Turn> => {
      if (occupant.condemned !== null) return Promise.reject(strategyFailed(occupant.condemned));
      if (left) return Promise.reject(threadEnded("The strategy has left its seat."));
      return ask(room.thread, seat, { kind: "turn", seat, ...wanted });
    };
    try {
      const named = { file, texts, strategy, version };
      const request = { kind: "open", seat, ...named, params, instrument, snapshot } as const;
      const { warmupBars } = await ask(room.thread, seat, request);
      return { warmupBars, forming, turn, close: leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Nobody has a seat in it. */
  get isEmpty(): boolean {
    return this.#rooms.every(({ occupants }) => occupants.size === 0);
  }

  close(): void {
    const end = { seat: NOBODY, told: "The strategy threads were closed." };
    this.#desk?.end(end);
    for (const { thread } of this.#rooms) thread.end(end);
  }

  /** Where files are inspected and parameters checked: what fails there disturbs no session. */
  #openDesk(): WatchedThread {
    if (this.#desk === null || this.#desk.ended !== null) {
      const onPrint = (_seat: number, text: string) => this.options.log.info({ text }, "a strategy printed");
      this.#desk = this.#thread({ onPrint });
    }
    return this.#desk;
  }

  /** A suspect's own; else the shared one with the fewest sessions, a new one while there may be more. */
  #roomFor(sessionId: string): Room {
    const group = this.#suspects.groupOf(sessionId);
    if (group !== null) {
      group.room ??= this.#addRoom(group);
      return group.room;
    }
    const shared = this.#rooms.filter((room) => room.group === null);
    if (shared.length < this.options.threads) return this.#addRoom(null);
    return shared.reduce((best, room) => (room.occupants.size < best.occupants.size ? room : best));
  }

  #left(room: Room, seat: number, sessionId: string): void {
    this.#suspects.acquit(sessionId);
    if (room.group === null || room.occupants.size > 0) room.thread.tell(seat, { kind: "close", seat });
    else room.thread.end({ seat: NOBODY, told: "The strategy has left its thread." });
  }

  #ended(room: Room, { seat, told, isInside = false }: ThreadEnd): void {
    this.#rooms = this.#rooms.filter((other) => other !== room);
    if (room.group !== null) room.group.room = null;
    const suspects = [...room.occupants.values()];
    const culprit = room.occupants.get(seat);
    if (culprit !== undefined) {
      // It may have asked nothing at that moment.
      culprit.condemned ??= told;
      for (const { sessionId } of suspects) this.#suspects.acquit(sessionId);
      this.#suspects.gather(suspects.filter((one) => one !== culprit && one.strategy === culprit.strategy));
    } else if (isInside) this.#suspects.split(suspects);
    const { sessionId } = culprit ?? {};
    const others = suspects.length - (sessionId === undefined ? 0 : 1);
    // Closed with all of the engine, or nobody was in it.
    if (suspects.length > 0) this.options.log.warn({ sessionId, others, told }, "a strategy thread was ended");
  }

  #addRoom(group: Room["group"]): Room {
    const room: Room = {
      occupants: new Map(),
      sessions: new Set(),
      group,
      weighing: false,
      thread: this.#thread({
        onEnd: (end) => this.#ended(room, end),
        onHeap: (heapBytes) => {
          if (heapBytes > this.options.limits.memoryBytes) void this.#weigh(room);
        },
        onPrint: (seat, text) => {
          const { sessionId, strategy } = room.occupants.get(seat) ?? {};
          this.options.log.info({ sessionId, strategy, text }, "a strategy printed");
        },
      }),
    };
    this.#rooms = [...this.#rooms, room];
    return room;
  }

  #thread(told: Partial<ConstructorParameters<typeof WatchedThread>[0]>): WatchedThread {
    const { limits, clock, processBytes, crowd } = this.options;
    return new WatchedThread({ module: MODULE, limits, clock, processBytes, crowd, ...told });
  }

  /** Ends a thread that has grown too large. Who holds most of it is to blame, if one does. */
  async #weigh(room: Room): Promise<void> {
    if (room.weighing) return;
    room.weighing = true;
    const limitBytes = this.options.limits.memoryBytes;
    const held = await ask(room.thread, NOBODY, { kind: "weigh", limitBytes }).catch(() => null);
    room.weighing = false;
    if (held === null) return;
    const grown = `Its thread held ${megabytes(held.heapBytes)}, more than ${megabytes(limitBytes)}, and was ended`;
    const [most] = held.seats;
    const [only] = room.sessions.size === 1 ? held.seats : [];
    if (most !== undefined && most.bytes > held.heapBytes / 2) {
      room.thread.end({ seat: most.seat, told: `The strategy holds ${megabytes(most.bytes)} of memory. ${grown}.` });
    } else if (only !== undefined) {
      const told = `The strategy keeps memory outside of its session, as in a variable of its file. ${grown}.`;
      room.thread.end({ seat: only.seat, told });
    } else {
      const strategies = [...new Set([...room.occupants.values()].map(({ strategy }) => strategy))].join(", ");
      const unknown = `no session holds most of it, so it can not be known yet whose it was of ${strategies}`;
      const told = `${grown}; ${unknown}: they go on in threads apart.`;
      room.thread.end({ seat: NOBODY, told, isInside: true });
    }
  }
}

async function ask<Kind extends StrategyRequest["kind"]>(
  thread: WatchedThread,
  seat: number,
  request: Extract<StrategyRequest, { kind: Kind }>,
): Promise<StrategyAnswers[Kind]> {
  return (await thread.ask(seat, request)) as StrategyAnswers[Kind];
}
