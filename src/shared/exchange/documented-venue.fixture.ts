import type { Server, ServerWebSocket } from "bun";
import { z } from "zod";

/** A request and what the venue says to it. `SHOW` is no request: its frames are sent when a test asks for them. */
const recordSchema = z.strictObject({
  /** Where it is documented. */
  source: z.string().min(1),
  request: z.strictObject({
    method: z.enum(["GET", "POST", "DELETE", "WS", "SHOW"]),
    path: z.string(),
    /** The parameters that it is known by; others may be there too. */
    params: z.record(z.string(), z.string()).default({}),
    /** Known by its key. */
    apiKey: z.string().optional(),
  }),
  /** Holds once this effect has come. */
  since: z.string().optional(),
  /** Comes with it. */
  effect: z.string().optional(),
  /** Holds while this has befallen the venue. */
  fault: z.string().optional(),
  answer: z
    .strictObject({
      status: z.number().int().default(200),
      headers: z.record(z.string(), z.string()).default({}),
      body: z.unknown(),
    })
    .optional(),
  /** What the streams tell with it, each to those who follow: a market stream, or "user". */
  frames: z.array(z.strictObject({ to: z.string(), frame: z.unknown() })).default([]),
});
type DocumentedAnswer = z.infer<typeof recordSchema>;

/** A request as it came. */
interface Asked {
  method: DocumentedAnswer["request"]["method"];
  path: string;
  params: URLSearchParams;
  apiKey?: string | null;
}

const streamRequest = z.looseObject({
  id: z.union([z.number(), z.string()]),
  method: z.string(),
  params: z.unknown(),
});

/** A server that answers as a venue's documentation says, and nothing else. */
export class DocumentedVenue {
  readonly #records: readonly DocumentedAnswer[];
  readonly #effects = new Set<string>();
  readonly #followed = new Map<ServerWebSocket, Set<string>>();
  readonly #server: Server<undefined>;
  #fault: string | undefined;

  constructor(lines: string) {
    this.#records = lines
      .trim()
      .split("\n")
      .map((line) => recordSchema.parse(JSON.parse(line)));
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, server) => (server.upgrade(request) ? undefined : this.#answer(request)),
      websocket: {
        open: (socket) => void this.#followed.set(socket, new Set()),
        close: (socket) => void this.#followed.delete(socket),
        message: (socket, message) => this.#follow(socket, String(message)),
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Sends the frames of a `SHOW`. */
  show(path: string): void {
    this.#play({ method: "SHOW", path, params: new URLSearchParams() });
  }

  /** Lets something befall the venue; undefined: nothing. */
  befall(fault: string | undefined): void {
    this.#fault = fault;
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  /** The record of a request: the last one that holds. */
  #play(asked: Asked): DocumentedAnswer {
    const found = this.#records.findLast(({ request, since, fault }) => {
      const { method, path, params, apiKey } = request;
      const isAsked = method === asked.method && path === asked.path;
      const isSuch = Object.entries(params).every(([name, value]) => asked.params.get(name) === value);
      const isTheirs = apiKey === undefined || apiKey === asked.apiKey;
      const holds = (since === undefined || this.#effects.has(since)) && (fault === undefined || fault === this.#fault);
      return isAsked && isSuch && isTheirs && holds;
    });
    if (found === undefined) {
      throw new Error(`Nothing is on record for ${asked.method} ${asked.path} ${asked.params.toString()}`);
    }
    if (found.effect !== undefined) this.#effects.add(found.effect);
    for (const { to, frame } of found.frames) {
      for (const [socket, streams] of this.#followed) if (streams.has(to)) socket.send(JSON.stringify(frame));
    }
    return found;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const { answer } = this.#play({
      method: z.enum(["GET", "POST", "DELETE"]).parse(request.method),
      path: pathname,
      params: new URLSearchParams(request.method === "POST" ? await request.text() : search),
      apiKey: request.headers.get("x-mbx-apikey"),
    });
    return Response.json(answer?.body, { status: answer?.status ?? 200, headers: answer?.headers ?? {} });
  }

  #follow(socket: ServerWebSocket, message: string): void {
    const { id, method, params } = streamRequest.parse(JSON.parse(message));
    const { answer } = this.#play({ method: "WS", path: method, params: new URLSearchParams() });
    const named = z.array(z.string()).safeParse(params);
    for (const stream of named.success ? named.data : ["user"]) {
      if (method === "UNSUBSCRIBE") this.#followed.get(socket)?.delete(stream);
      else this.#followed.get(socket)?.add(stream);
    }
    socket.send(JSON.stringify({ ...z.looseObject({}).parse(answer?.body), id }));
  }
}
