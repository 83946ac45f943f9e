import { connect, createServer, type Server, type Socket } from "node:net";

/** A line to a server that can be cut, silenced and mended. While it is cut, connections break and new ones are refused. */
export interface Line {
  /** The server's URL by way of the line. */
  url: string;
  cut(): Promise<void>;
  /** From now on nothing passes on the connections there are, which nobody closes; new ones are served. */
  silence(): void;
  /** Ends what was silenced, as a system does after minutes. */
  endSilent(): void;
  mend(): Promise<void>;
}

/** Lays a line to the server that a URL names. */
export async function layLine(url: string): Promise<Line> {
  const target = new URL(url);
  const ends = new Set<Socket>();
  const silent = new Set<Socket>();
  let server: Server | null = null;
  let port = 0;
  async function mend(): Promise<void> {
    server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname);
      for (const end of [near, far]) {
        ends.add(end);
        end.on("error", () => undefined);
        end.on("close", () => {
          ends.delete(end);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen(port, "127.0.0.1", listening.resolve);
    await listening.promise;
    const address = server.address();
    port = typeof address === "object" && address !== null ? address.port : port;
  }
  await mend();
  const through = new URL(url);
  through.host = `127.0.0.1:${port}`;
  return {
    url: through.href,
    mend,
    silence() {
      for (const end of ends) {
        end.unpipe();
        end.pause();
        silent.add(end);
      }
    },
    endSilent() {
      for (const end of silent) end.destroy();
      silent.clear();
    },
    async cut() {
      const closed = Promise.withResolvers<void>();
      server?.close(() => closed.resolve());
      for (const end of ends) end.destroy();
      await closed.promise;
    },
  };
}
