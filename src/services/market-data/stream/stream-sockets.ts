import { AppError } from "#shared/errors/app-error.ts";
import type { Wire } from "./outbox.ts";
import { StreamSocket, type StreamSocketOptions } from "./stream-socket.ts";

export interface StreamSocketsOptions extends StreamSocketOptions {
  /** How many there may be. */
  most: number;
}

/** The sockets of this process. */
export class StreamSockets {
  readonly #options: StreamSocketsOptions;
  readonly #sockets = new Map<Wire, StreamSocket>();
  #isOpen = false;

  constructor(options: StreamSocketsOptions) {
    this.#options = options;
  }

  /** Sockets are taken from here on: what they are told of is followed. */
  begin(): void {
    this.#isOpen = true;
  }

  /** Closes all (1001), and takes none any more. */
  end(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets.values())
      socket.end(1001, "This process stops: connect again, and subscribe again.");
  }

  /** SERVICE_UNAVAILABLE (503) where no socket is taken, or none more. */
  admit(): void {
    if (!this.#isOpen) throw new AppError("SERVICE_UNAVAILABLE", "transient", "This process streams nothing now.");
    if (this.#sockets.size < this.#options.most) return;
    const text = `This process has its ${this.#options.most} sockets: R3_MARKET_DATA_STREAM_SOCKETS allows more, and so do more replicas.`;
    throw new AppError("SERVICE_UNAVAILABLE", "transient", text);
  }

  open(wire: Wire): void {
    this.#sockets.set(wire, new StreamSocket(wire, this.#options));
  }

  receive(wire: Wire, message: unknown): void {
    this.#sockets.get(wire)?.receive(message);
  }

  drain(wire: Wire): void {
    this.#sockets.get(wire)?.drain();
  }

  close(wire: Wire): void {
    this.#sockets.get(wire)?.close();
    this.#sockets.delete(wire);
  }
}
