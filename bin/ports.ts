import { createServer } from "node:net";
import { Trouble } from "./say.ts";

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      const found = address !== null && typeof address === "object" ? address.port : null;
      server.close(() => resolve(found));
    });
  });
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0);
  if (port === null) throw new Trouble("No port of 127.0.0.1 is free.");
  return port;
}

/** The wanted port where it is free, else any free one. */
export async function portNear(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await freePort());
}

/** The port a setting names, which has to be free; any free one where the setting is not given. */
export async function portOf(setting: string, value: string | undefined): Promise<number> {
  if (value === undefined || value === "") return freePort();
  const wanted = Number(value);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 65_535)
    throw new Trouble(`${setting} has to be a port number from 1 to 65535.`);
  const found = await tryPort(wanted);
  if (found === null) throw new Trouble(`Port ${wanted} (${setting}) is taken; free it or choose another one.`);
  return found;
}
