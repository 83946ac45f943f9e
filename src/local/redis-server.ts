import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { reasonOf } from "#shared/errors/app-error.ts";
import { mendAppendOnlyFile } from "./redis-file.ts";
import { say, Trouble } from "./say.ts";
import type { Program } from "./supervisor.ts";
import { installForAll, onPath, runTool, type SystemProgram } from "./system-packages.ts";

const REDIS: SystemProgram = {
  title: "Redis",
  names: ["redis-server", "valkey-server"],
  packages: { "apt-get": "redis-server", apk: "redis", dnf: "redis" },
};
const ADVICE =
  "No redis-server was found or could be installed; install Redis 7 (or Valkey) so that redis-server is on PATH, or set REDIS_URL.";

/** The package's own needs and those of what it needs, without what every system has. */
async function debianPackages(options: string[]): Promise<string[]> {
  const text = await runTool([
    "apt-cache",
    ...options,
    "depends",
    "--no-recommends",
    "--no-suggests",
    "--no-conflicts",
    "--no-breaks",
    "--no-replaces",
    "--no-enhances",
    "redis-server",
    "redis-tools",
  ]);
  const needed = [...(text ?? "").matchAll(/^\s+(?:Pre)?Depends: ([a-z0-9.+-]+)$/gm)].map(([, name]) => name ?? "");
  return [...new Set(["redis-server", "redis-tools", ...needed])].filter(
    (name) => !/^(libc6|adduser|debconf|lsb-base|sysvinit-utils|init-system-helpers|)$/.test(name),
  );
}

/** Without root: the packages are fetched and unpacked into a private folder. */
async function unpackPrivately(folder: string): Promise<string | null> {
  if (Bun.which("apt-get") === null || Bun.which("dpkg") === null) return null;
  say(`  No Redis on PATH: unpacking it with apt-get and dpkg into ${folder} ...`);
  const lists = join(folder, "lists");
  mkdirSync(join(lists, "partial"), { recursive: true });
  const own = [
    "-o",
    `Dir::State::lists=${lists}`,
    "-o",
    `Dir::Cache=${folder}`,
    "-o",
    "APT::Sandbox::User=",
    "-o",
    "Debug::NoLocking=1",
  ];
  for (const options of [[], own]) {
    if (options.length > 0) await runTool(["apt-get", ...options, "update", "-qq"]);
    const packages = await debianPackages(options);
    if ((await runTool(["apt-get", ...options, "download", "-qq", ...packages], { cwd: folder })) === null) continue;
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".deb")))
      await runTool(["dpkg", "-x", join(folder, file), join(folder, "unpacked")]);
    const found = join(folder, "unpacked/usr/bin/redis-server");
    if (existsSync(found)) return found;
  }
  return null;
}

async function withBrew(): Promise<string | null> {
  if (Bun.which("brew") === null) return null;
  say("  No Redis on PATH: installing it with brew ...");
  await runTool(["brew", "install", "--quiet", "redis"]);
  return onPath(REDIS);
}

/** A redis-server: on PATH, unpacked here before, else by the system's package manager. Throws a Trouble where there is no way. */
export async function findRedis(toolsFolder: string): Promise<string> {
  // Debian's package holds it at usr/bin; here that lies below the folder it was unpacked in.
  const unpacked = join(toolsFolder, "redis/unpacked/usr/bin/redis-server");
  const found =
    onPath(REDIS) ??
    (existsSync(unpacked) ? unpacked : null) ??
    (process.platform === "darwin" ? await withBrew() : null) ??
    (process.getuid?.() === 0 ? await installForAll(REDIS) : null) ??
    (await unpackPrivately(join(toolsFolder, "redis")));
  if (found === null) throw new Trouble(ADVICE);
  return found;
}

/** Where an unpacked server finds its libraries; empty for an installed one. */
function libraryPath(binary: string): Record<string, string> {
  const root = binary.split("/usr/bin/")[0] ?? "";
  if (root === "") return {};
  const folder = join(root, "usr/lib");
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.includes("-linux-")) : [];
  return { LD_LIBRARY_PATH: [folder, ...names.map((name) => join(folder, name))].join(":") };
}

/** Whether this process, and no other Redis on this port, takes commands: it refuses them while it reads its file. */
function redisAnswers(port: number, password: string, pid: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket.once("error", () => settle(false));
    socket.once("connect", () => socket.write(`AUTH ${password}\r\nPING\r\nINFO server\r\n`));
    let said = "";
    socket.on("data", (data) => {
      said += data.toString();
      const answering = /^process_id:(\d+)\r$/m.exec(said)?.[1];
      if (answering !== undefined) settle(said.startsWith("+OK\r\n+PONG") && Number(answering) === pid);
    });
  });
}

/** Why a Redis does not take commands. Null: it does. */
export async function redisTrouble(url: string): Promise<string | null> {
  const broker = createRedisBroker({ url, prefix: "r3", incarnation: "none" });
  try {
    await broker.ping();
    return null;
  } catch (error) {
    return reasonOf(error);
  } finally {
    await broker.close();
  }
}

/** The password of a Redis of ours, made once and kept where this user alone can read it. */
function passwordIn(dataFolder: string): string {
  const file = join(dataFolder, "redis-password");
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("hex"), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

/**
 * A Redis of our own, for this user alone: append-only file synced every second, and it refuses writes rather than evicting
 * keys. Its password is in a file, since anyone may read a command line.
 */
export function redisProgram(options: { binary: string; dataFolder: string; port: number }): {
  program: Program;
  url: string;
} {
  const { binary, dataFolder, port } = options;
  const folder = join(dataFolder, "redis");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const password = passwordIn(dataFolder);
  const settings = join(folder, "redis.conf");
  writeFileSync(settings, `requirepass ${password}\n`, { mode: 0o600 });
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C", ...libraryPath(binary) };
  const program: Program = {
    name: "redis",
    beforeStart() {
      const mended = mendAppendOnlyFile({ binary, env, folder });
      if (mended !== null) say(`  ${mended}`);
    },
    command: [
      binary,
      settings,
      ...`--port ${port} --bind 127.0.0.1 --daemonize no --appendonly yes --appendfsync everysec`.split(" "),
      "--maxmemory-policy",
      "noeviction",
      // Far above all that is ours: what a reader is given has to fit into its memory.
      "--proto-max-bulk-len",
      "8mb",
      // So has the answer to one question.
      ..."--client-output-buffer-limit normal 256mb 0 0".split(" "),
      "--dir",
      folder,
      "--save",
      "",
    ],
    cwd: folder,
    env,
    stopSignal: "SIGTERM",
    graceMs: 10_000,
    ready: (pid) => redisAnswers(port, password, pid),
    readyWithinMs: 60_000,
  };
  return { program, url: `redis://:${password}@127.0.0.1:${port}` };
}
