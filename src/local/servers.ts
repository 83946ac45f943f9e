import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DataFolder } from "./data-folder.ts";
import { portOf } from "./ports.ts";
import { dropDeadLock, postgresHome, postgresTrouble, preparePostgres } from "./postgres-server.ts";
import { findRedis, redisProgram, redisTrouble } from "./redis-server.ts";
import { ROOT } from "./root.ts";
import { step, Trouble } from "./say.ts";
import type { Supervisor } from "./supervisor.ts";

/** A Postgres: one started here, which may be killed and removed, or someone else's. */
export interface PostgresServer {
  /** A database in which others may be made. */
  databaseUrl: string;
  ownPostgres: boolean;
}

interface RedisServer {
  redisUrl: string;
  ownRedis: boolean;
}

/** The servers that a system stands on. */
export type Servers = PostgresServer & RedisServer;

interface ServerOptions {
  /** False: for tests. */
  durable: boolean;
  /** The variables that were given: DATABASE_URL, REDIS_URL, R3_POSTGRES_PORT, R3_REDIS_PORT. */
  given: Readonly<Record<string, string>>;
}

/** Where unpacked tools are kept between runs: nothing in it belongs to a run. */
const TOOLS = resolve(ROOT, ".bun/tools");

async function postgresUrl(supervisor: Supervisor, data: DataFolder, options: ServerOptions): Promise<string> {
  const url = options.given["DATABASE_URL"];
  if (url !== undefined) {
    const trouble = await postgresTrouble(url);
    if (trouble !== null) throw new Trouble(`Postgres, which DATABASE_URL names, cannot be used: ${trouble}.`);
    return url;
  }
  const port = await portOf("R3_POSTGRES_PORT", options.given["R3_POSTGRES_PORT"]);
  const prepared = await preparePostgres(supervisor, { dataFolder: data.path, port, durable: options.durable });
  await dropDeadLock(prepared);
  await supervisor.start(prepared.program);
  return prepared.url;
}

async function redisUrl(supervisor: Supervisor, data: DataFolder, { given }: ServerOptions): Promise<string> {
  const url = given["REDIS_URL"];
  if (url !== undefined) {
    const trouble = await redisTrouble(url);
    if (trouble !== null) throw new Trouble(`Redis, which REDIS_URL names, cannot be used: ${trouble}.`);
    return url;
  }
  const port = await portOf("R3_REDIS_PORT", given["R3_REDIS_PORT"]);
  const binary = await findRedis(TOOLS);
  const { program, url: ownUrl } = redisProgram({ binary, dataFolder: data.path, port });
  await supervisor.start(program);
  return ownUrl;
}

/** Starts Postgres, or finds the one that DATABASE_URL names. */
export async function startPostgres(
  supervisor: Supervisor,
  data: DataFolder,
  options: ServerOptions,
): Promise<PostgresServer> {
  const databaseUrl = await step("Postgres", () => postgresUrl(supervisor, data, options));
  return { databaseUrl, ownPostgres: options.given["DATABASE_URL"] === undefined };
}

/** Starts Redis, or finds the one that REDIS_URL names. */
export async function startRedis(
  supervisor: Supervisor,
  data: DataFolder,
  options: ServerOptions,
): Promise<RedisServer> {
  const url = await step("Redis", () => redisUrl(supervisor, data, options));
  return { redisUrl: url, ownRedis: options.given["REDIS_URL"] === undefined };
}

/** Starts what is not given by DATABASE_URL and REDIS_URL; each step says how long it took. */
export async function startServers(supervisor: Supervisor, data: DataFolder, options: ServerOptions): Promise<Servers> {
  return {
    ...(await startPostgres(supervisor, data, options)),
    ...(await startRedis(supervisor, data, options)),
  };
}

/** Removes the segment by which Postgres notices a second server on its data; one that was killed leaves it. */
function removeSharedMemory(home: string): void {
  const file = join(home, "data/postmaster.pid");
  if (!existsSync(file)) return;
  const segment = /^\s*(\d+)\s+(\d+)\s*$/m.exec(readFileSync(file, "utf8").split("\n")[6] ?? "")?.[2];
  if (segment !== undefined && Bun.which("ipcrm") !== null) Bun.spawnSync(["ipcrm", "-m", segment]);
}

/** Removes a data folder with all that belongs to it. Nothing in it may be running. */
export function removeData(folder: string): void {
  const home = postgresHome(folder);
  removeSharedMemory(home);
  rmSync(home, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
}
