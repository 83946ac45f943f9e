import type { AnyElysia } from "elysia";
import { AppError } from "#shared/errors/app-error.ts";

/** A server that listens. */
export interface Listening {
  /** Base URL without a slash at the end. */
  url: string;
  port: number;
  /** Takes nothing new, lets what runs end for `graceMs`, then closes what is left. */
  stop(graceMs?: number): Promise<void>;
}

/** Listens; port 0 is any that is free. A port that is taken is an AppError PORT_TAKEN: it is never shared. An address or a port that cannot be had is SETTINGS_INVALID. */
export function listen(app: AnyElysia, host: string, port: number): Listening {
  try {
    app.listen({ hostname: host, port, reusePort: false, idleTimeout: 60, development: false });
  } catch (error) {
    throw isTaken(error)
      ? new AppError(
          "PORT_TAKEN",
          "permanent",
          `Port ${port} of ${host} is taken: set R3_HTTP_PORT to another one, or end what listens there.`,
          { cause: error },
        )
      : new AppError(
          "SETTINGS_INVALID",
          "permanent",
          `Nothing can listen on port ${port} of ${host}: R3_HTTP_HOST has to be an address of this machine, R3_HTTP_PORT a port this user may have.`,
          { cause: error },
        );
  }
  const server = app.server;
  if (server?.port === undefined) throw new AppError("INTERNAL", "permanent", "The HTTP server did not start.");
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${server.port}`,
    port: server.port,
    async stop(graceMs = 1_000) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([server.stop(), grace]);
      clearTimeout(timer);
      await server.stop(true);
    },
  };
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
