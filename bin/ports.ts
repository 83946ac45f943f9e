import { createServer } from "node:net";
import { Trouble } from "./say.ts";

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => resolve(port));
    });
  });
}

/** Below the ports that systems give to outgoing connections: one of ours has to be free again after a restart. */
const LOWEST = 20_000;
const HIGHEST = 31_999;
const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on; never the same one twice. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const wanted = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    const port = given.has(wanted) ? null : await tryPort(wanted);
    if (port === null) continue;
    given.add(port);
    return port;
  }
  throw new Trouble(`No port of 127.0.0.1 from ${LOWEST} to ${HIGHEST} is free.`);
}

/** The wanted port where it is free, else any free one. */
export async function portNear(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await freePort());
}

/** The port a setting names, which has to be free; any free one where the setting is not given, or 0. */
export async function portOf(setting: string, value: string | undefined): Promise<number> {
  if (value === undefined || value === "0") return freePort();
  const wanted = Number(value);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 65_535)
    throw new Trouble(`${setting} has to be a port number from 1 to 65535.`);
  const found = await tryPort(wanted);
  if (found === null) throw new Trouble(`Port ${wanted} (${setting}) is taken; free it or choose another one.`);
  return found;
}
