import { hasCode } from "#shared/errors/app-error.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";
import type { Catalogue } from "./catalogue.ts";
import type { StrategyInfo } from "./definitions.ts";
import type { Seat, Seating, Turn, TurnRequest } from "./strategy-host.ts";
import type { StrategyAnswers, StrategyRequest } from "./thread.ts";
import type { ThreadHostOptions } from "./thread-host.ts";
import { megabytes, NOBODY, strategyFailed, threadEnded, WatchedThread } from "./watched-thread.ts";

const MODULE = new URL("./thread.ts", import.meta.url);

interface Occupant {
  sessionId: string;
  strategy: string;
  /** What became of it though it asked nothing. */
  condemned: string | null;
}

/** A thread and who is in it. */
interface Room {
  thread: WatchedThread;
  occupants: Map<number, Occupant>;
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
    const room = this.#roomiest();
    const seat = nextSeat();
    const occupant: Occupant = { sessionId, strategy, condemned: null };
    room.occupants.set(seat, occupant);
    let left = false;
    const leave = () => {
      left = true;
      if (room.occupants.delete(seat) && room.thread.ended === null) room.thread.tell(seat, { kind: "close", seat });
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

  /** The thread with the fewest sessions; a new one while there may be more. */
  #roomiest(): Room {
    if (this.#rooms.length < this.options.threads) return this.#addRoom();
    return this.#rooms.reduce((best, room) => (room.occupants.size < best.occupants.size ? room : best));
  }

  #addRoom(): Room {
    const room: Room = {
      occupants: new Map(),
      weighing: false,
      thread: this.#thread({
        onEnd: ({ seat, told }) => {
          this.#rooms = this.#rooms.filter((other) => other !== room);
          const culprit = room.occupants.get(seat);
          // It may have asked nothing at that moment.
          if (culprit !== undefined) culprit.condemned ??= told;
          const { sessionId } = culprit ?? {};
          const others = room.occupants.size - (sessionId === undefined ? 0 : 1);
          // Closed with all of the engine, or nobody was in it.
          if (room.occupants.size > 0)
            this.options.log.warn({ sessionId, others, told }, "a strategy thread was ended");
        },
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

  /** A thread that has grown too large is ended, and who holds most of it is to blame, if most of it is held by one. */
  async #weigh(room: Room): Promise<void> {
    if (room.weighing) return;
    room.weighing = true;
    const limitBytes = this.options.limits.memoryBytes;
    const held = await ask(room.thread, NOBODY, { kind: "weigh", limitBytes }).catch(() => null);
    room.weighing = false;
    if (held === null) return;
    const grown = `Its thread held ${megabytes(held.heapBytes)}, more than ${megabytes(limitBytes)}, and was ended`;
    const [most] = held.seats;
    if (most !== undefined && most.bytes > held.heapBytes / 2) {
      const told = `The strategy holds ${megabytes(most.bytes)} of memory. ${grown}.`;
      const occupant = room.occupants.get(most.seat);
      if (occupant !== undefined) occupant.condemned = told;
      room.thread.end({ seat: most.seat, told });
      return;
    }
    const strategies = [...new Set([...room.occupants.values()].map(({ strategy }) => strategy))].join(", ");
    room.thread.end({
      seat: 0,
      told: `${grown}; no session holds most of it, so it can not be known whose it was of ${strategies}.`,
    });
  }
}

async function ask<Kind extends StrategyRequest["kind"]>(
  thread: WatchedThread,
  seat: number,
  request: Extract<StrategyRequest, { kind: Kind }>,
): Promise<StrategyAnswers[Kind]> {
  return (await thread.ask(seat, request)) as StrategyAnswers[Kind];
}
