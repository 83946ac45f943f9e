import { connect, type Socket } from "node:net";
import postgres from "postgres";
import { AppError } from "#shared/errors/app-error.ts";
import { databaseError } from "./postgres-errors.ts";
import { type DriverQuery, hookedSql } from "./postgres-query.ts";

/** What the driver has of its options once they are read, as far as a socket needs it. */
interface Place {
  host: readonly string[];
  port: readonly number[];
  /** Of a socket file; false where there is none. */
  path: string | false;
}

/**
 * One connection to Postgres, lent to one statement or transaction at a time and thrown away at its first failure. The
 * driver's own pool (3.4.9) is not used: after a restart of the server it may take a waiting reservation for the first
 * statement of a new connection and drop it. Who waits for that one then waits for ever, and the pool has a place less.
 */
export class Connection {
  /** Its tag; each statement of it has the deadline of an answer. */
  readonly sql: postgres.Sql;
  /** Called when it ends, with the reason. Belongs to who it is lent to. */
  onEnd: ((reason: unknown) => void) | null = null;
  /** Why it is over. Null: it is not. */
  #reason: unknown = null;
  #isAbandoned = false;
  #socket: Socket | null = null;
  readonly #driver: postgres.Sql;
  readonly #send: (query: DriverQuery) => void;

  /** Connects with its first statement. `deadlineMs`: how long an answer is waited for. */
  constructor(
    url: string,
    options: postgres.Options<Record<string, postgres.PostgresType>>,
    private readonly deadlineMs: number,
  ) {
    const own = {
      ...options,
      max: 1,
      socket: (place: Place) => this.#open(place),
      onclose: () => this.#end(databaseError({ code: "CONNECTION_CLOSED" })),
    };
    this.#driver = postgres(url, own as unknown as typeof options) as unknown as postgres.Sql;
    this.#send = (this.#driver`` as unknown as DriverQuery).handler;
    this.sql = hookedSql(this.#driver, { send: (query) => this.send(query) });
  }

  get isOver(): boolean {
    return this.#reason !== null;
  }

  /** Its end tells nothing of the server. */
  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Sends a statement that any client's tag has made. Not answered in time, it fails, and this connection with it. */
  send(query: DriverQuery): void {
    const { resolve, reject } = query;
    const timer = setTimeout(() => {
      const text = `The database gave no answer in ${this.deadlineMs} ms.`;
      this.destroy(new AppError("DATABASE_UNAVAILABLE", "outage", text));
    }, this.deadlineMs);
    query.resolve = (value) => {
      clearTimeout(timer);
      resolve(value);
    };
    query.reject = (error) => {
      clearTimeout(timer);
      reject(this.#reason ?? error);
    };
    this.#send(query);
  }

  /** Ends it at once, whatever is on its way: that fails with `reason`. */
  destroy(reason: unknown): void {
    this.#end(reason);
    this.#socket?.destroy();
  }

  /**
   * As `destroy`, for a connection that works but whose statement is not wanted any more. The server sees that its client is
   * gone, ends the statement and takes its transaction back.
   */
  abandon(reason: unknown): void {
    this.#isAbandoned = true;
    this.destroy(reason);
  }

  /** Says goodbye to the server. For one that has nothing on its way. */
  close(reason: unknown): void {
    this.#end(reason);
  }

  #end(reason: unknown): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.onEnd?.(reason);
    // What waits in the driver fails too.
    void this.#driver.end({ timeout: 0 });
  }

  /** The driver lets no one end its socket: a silent one would stay for as long as the system tries. */
  #open({ host, port, path }: Place): Socket {
    if (this.isOver) throw Object.assign(new Error("The connection is over."), { code: "CONNECTION_DESTROYED" });
    const [name = "localhost"] = host;
    const socket = path === false ? connect(port[0] ?? 5432, name) : connect(path);
    this.#socket = socket;
    // The driver reads the server's name from it, for TLS.
    return Object.assign(socket, { host: name });
  }
}
