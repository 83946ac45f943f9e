import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";

/**
 * What becomes of a request. lose-request: the connection breaks before it has reached the venue. lose-answer: the venue
 * has answered, the answer never comes. A refusal: the venue is said to have answered so, and hears nothing. A function: it
 * is held on its way until what that gives resolves, and then fares as that says.
 */
type Fate = "lose-request" | "lose-answer" | { code: number; msg: string; status?: number };
export type Fault = Fate | (() => Promise<Fate | void>);

/** A request as it passed: method and the last part of its path, with its parameters. */
export interface Passed {
  what: string;
  params: URLSearchParams;
}

/** The network between a connector and one market of the venue. */
export interface VenueProxy {
  restUrl: string;
  wsApiUrl: string;
  /** Every request in order, also those that were lost. */
  readonly passed: readonly Passed[];
  /** How often the venue has said something on the user stream: twice once it is subscribed. */
  readonly heard: number;
  /** The next request like `what` ("POST order") fares so; faults of one kind of request are used up in order. */
  next(what: string, fault: Fault): void;
  /** Breaks the user stream and lets no other one through. */
  cutStream(): void;
  mendStream(): void;
  stop(): Promise<void>;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

class Proxy implements VenueProxy {
  restUrl = "";
  wsApiUrl = "";
  readonly passed: Passed[] = [];
  heard = 0;
  readonly #faults: { what: string; fault: Fault }[] = [];
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  readonly #rest = createHttpServer((request, response) => void this.#forward(request, response));
  readonly #stream = createTcpServer((socket) => this.#pipe(socket));

  constructor(private readonly target: URL) {}

  async start(): Promise<this> {
    const { pathname } = this.target;
    this.restUrl = `http://127.0.0.1:${await listen(this.#rest)}${pathname}`;
    this.wsApiUrl = `ws://127.0.0.1:${await listen(this.#stream)}${pathname}/ws-api/v3`;
    return this;
  }

  next(what: string, fault: Fault): void {
    this.#faults.push({ what, fault });
  }

  cutStream(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mendStream(): void {
    this.#isCut = false;
  }

  async stop(): Promise<void> {
    this.cutStream();
    this.#stream.close();
    this.#rest.closeAllConnections();
    this.#rest.close();
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = request;
    const body = await bodyOf(request);
    const { pathname, search } = new URL(url, this.target);
    const what = `${method} ${pathname.split("/").at(-1)}`;
    this.passed.push({ what, params: new URLSearchParams(body === "" ? search : body) });
    const taken = this.#take(what);
    const fault = typeof taken === "function" ? await taken() : taken;
    if (fault === "lose-request") return void request.socket.destroy();
    const headers = Object.entries(request.headers).filter(
      ([name]) => name === "x-mbx-apikey" || name === "content-type",
    );
    if (typeof fault === "object") {
      const { status = 400, ...told } = fault;
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(told));
      return;
    }
    const answer = await this.#ask(new URL(url, this.target), {
      method,
      headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
      ...(body === "" ? {} : { body }),
    });
    if (answer === null || fault === "lose-answer") return void request.socket.destroy();
    const kept = [...answer.headers].filter(([name]) => name === "retry-after" || name === "content-type");
    response.writeHead(answer.status, Object.fromEntries(kept)).end(answer.text);
  }

  /** Null: the venue has broken the connection, and so it is broken here. */
  async #ask(url: URL, request: RequestInit): Promise<{ status: number; headers: Headers; text: string } | null> {
    try {
      const answer = await fetch(url, request);
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    } catch {
      return null;
    }
  }

  #take(what: string): Fault | undefined {
    const index = this.#faults.findIndex((one) => one.what === what);
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
  }

  #pipe(socket: Socket): void {
    if (this.#isCut) return void socket.destroy();
    const upstream = connect(Number(this.target.port), this.target.hostname);
    upstream.on("data", () => void (this.heard += 1));
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

/** A proxy in front of one market, by the market's base URL. */
export function startVenueProxy(url: string): Promise<VenueProxy> {
  return new Proxy(new URL(url)).start();
}
