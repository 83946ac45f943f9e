import { createServer, type Server } from "node:net";
import { Trouble } from "./say.ts";

/** Null: the port is taken. */
function listenOn(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(null));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  server?.close();
  return server !== null;
}

/** Below the ports that systems give to outgoing connections: one of ours has to be free again after a restart. */
const LOWEST = 20_000;
const HIGHEST = 25_999;
/** From a port to the one that reserves it, above them all. */
const TO_RESERVATION = 6_000;

/**
 * Reserves a port against every other process that takes its ports here, until this process ends: who listens on it comes
 * later, and is away while it is restarted. A reservation is a listener on another port, so that it goes with its process
 * however that ends.
 */
async function reserve(port: number): Promise<boolean> {
  const reservation = await listenOn(port + TO_RESERVATION);
  if (reservation === null) return false;
  if (await isFree(port)) {
    reservation.unref();
    return true;
  }
  reservation.close();
  return false;
}

/** A port of 127.0.0.1 that nobody listens on; never the same one twice, on the whole machine. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    if (await reserve(port)) return port;
  }
  throw new Trouble(`No port of 127.0.0.1 from ${LOWEST} to ${HIGHEST} is free.`);
}

/** The wanted port where it is free, else any free one. */
export async function portNear(wanted: number): Promise<number> {
  return (await reserve(wanted)) ? wanted : await freePort();
}

/** The port a setting names, which has to be free; any free one where the setting is not given, or 0. */
export async function portOf(setting: string, value: string | undefined): Promise<number> {
  if (value === undefined || value === "0") return freePort();
  const wanted = Number(value);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 65_535)
    throw new Trouble(`${setting} has to be a port number from 1 to 65535.`);
  if (!(await isFree(wanted)))
    throw new Trouble(`Port ${wanted} (${setting}) is taken; free it or choose another one.`);
  return wanted;
}
