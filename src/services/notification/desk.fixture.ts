/** A request that a desk got. */
export interface Arrival {
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** A message as a webhook gets it. */
export interface Told {
  id: string;
  recipientId: string;
  seq: number;
  kind: string;
  severity: string;
  title: string;
  text: string;
  data: Record<string, unknown>;
}

/** A local HTTP server that messages are posted to. */
export interface Desk {
  url: string;
  arrivals: Arrival[];
  /** How it answers; a test changes it. */
  answer: (arrival: Arrival) => Response | Promise<Response>;
  /** What arrived at a path, as JSON; what was answered with a failure too. */
  at(path: string): Told[];
  close(): Promise<void>;
}

/** Starts a desk that takes everything. */
export function openDesk(): Desk {
  const desk: Desk = {
    url: "",
    arrivals: [],
    answer: () => new Response("ok"),
    at: (path) => desk.arrivals.filter((one) => one.path === path).map(({ body }) => JSON.parse(body) as Told),
    close: () => server.stop(true),
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const arrival = {
        path: `${pathname}${search}`,
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      };
      desk.arrivals.push(arrival);
      return await desk.answer(arrival);
    },
  });
  desk.url = `http://127.0.0.1:${server.port}`;
  return desk;
}

/** A key as webhooks are signed with. */
export const KEY = `whsec_${Buffer.from("a key of the tests, 32 bytes long").toString("base64")}`;
