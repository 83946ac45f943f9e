import { AppError, hasCode } from "#shared/errors/app-error.ts";
import type { Connection } from "./connection.ts";
import { isOutdated } from "./postgres-errors.ts";

export interface PoolOptions {
  maxConnections: number;
  /** How long a connection is waited for, in milliseconds. */
  deadlineMs: number;
}

interface Waiter {
  take: (connection: Connection) => void;
  refuse: (error: unknown) => void;
  timer: NodeJS.Timeout;
}

/** So many wait for each connection at most; more than that would only wait for their deadline. */
const WAITING_PER_CONNECTION = 200;

/** How long a close waits for what is on its way, in milliseconds. */
const CLOSE_MS = 2_000;

const CLOSED = "The database was closed here.";

function away(text: string): AppError {
  return new AppError("DATABASE_UNAVAILABLE", "outage", text);
}

/**
 * Lends connections, each to one statement or transaction at a time: first to those who are urgent, then first come first
 * served. Nobody waits past the deadline. A connection that has failed is never lent again: a new one takes its place.
 */
export class ConnectionPool {
  /** The one used last is lent first: the fewer are used, the more of their statements are prepared. */
  #free: Connection[] = [];
  readonly #lent = new Set<Connection>();
  readonly #urgent = new Set<Waiter>();
  readonly #waiting = new Set<Waiter>();
  readonly #allBack = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(
    private readonly connect: () => Connection,
    private readonly options: PoolOptions,
  ) {}

  /** Calls `take` with a connection, at once where one can be had; `refuse` with an outage where none can in time. */
  lend(take: (connection: Connection) => void, refuse: (error: unknown) => void, isUrgent = false): void {
    if (this.#isClosed) {
      refuse(away(CLOSED));
      return;
    }
    const { maxConnections, deadlineMs } = this.options;
    // The server may have ended some meanwhile.
    this.#free = this.#free.filter(({ isOver }) => !isOver);
    const connection = this.#free.pop() ?? (this.#lent.size < maxConnections ? this.connect() : undefined);
    if (connection !== undefined) {
      this.#lent.add(connection);
      take(connection);
      return;
    }
    const line = isUrgent ? this.#urgent : this.#waiting;
    if (line.size >= maxConnections * WAITING_PER_CONNECTION) {
      refuse(away(`${line.size} statements wait for the ${maxConnections} connections to the database already.`));
      return;
    }
    const timer = setTimeout(() => {
      line.delete(waiter);
      refuse(away(`None of the ${maxConnections} connections to the database was free in ${deadlineMs} ms.`));
    }, deadlineMs);
    const waiter: Waiter = { take, refuse, timer };
    line.add(waiter);
  }

  /** Takes one back. `error`: what its statement or transaction has failed with, as an AppError where it tells of the server. */
  giveBack(connection: Connection, error: unknown): void {
    if (!this.#lent.delete(connection)) return;
    const isOutage = hasCode(error, "DATABASE_UNAVAILABLE") && error.kind === "outage";
    if ((isOutage || connection.isOver) && !connection.isAbandoned) {
      connection.destroy(error);
      // A server that is silent or gone for one connection is so for the free ones too. Each would cost a deadline.
      for (const other of this.#free.splice(0)) other.destroy(error);
    }
    if (isOutdated(error) && !connection.isOver) connection.destroy(error);
    if (this.#isClosed) {
      connection.close(away(CLOSED));
      if (this.#lent.size === 0) this.#allBack.resolve();
      return;
    }
    if (!connection.isOver) this.#free.push(connection);
    const line = this.#urgent.size > 0 ? this.#urgent : this.#waiting;
    const [waiter] = line;
    if (waiter === undefined) return;
    clearTimeout(waiter.timer);
    line.delete(waiter);
    this.lend(waiter.take, waiter.refuse, line === this.#urgent);
  }

  /** Ends all connections: at once where nothing is on its way, else when it is answered, after two seconds at most. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = away(CLOSED);
    for (const line of [this.#urgent, this.#waiting]) {
      for (const { refuse, timer } of line) {
        clearTimeout(timer);
        refuse(closed);
      }
      line.clear();
    }
    for (const connection of this.#free.splice(0)) connection.close(closed);
    if (this.#lent.size > 0) {
      const { promise: late, resolve: wake } = Promise.withResolvers<void>();
      const timer = setTimeout(wake, CLOSE_MS);
      await Promise.race([this.#allBack.promise, late]);
      clearTimeout(timer);
    }
    for (const connection of this.#lent) connection.destroy(closed);
  }
}
