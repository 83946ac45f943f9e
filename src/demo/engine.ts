import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { DataFolder } from "#local/data-folder.ts";
import { freePort, portNear, portOf } from "#local/ports.ts";
import { ROOT } from "#local/root.ts";
import type { Servers } from "#local/servers.ts";
import { SERVICES } from "#local/services.ts";
import type { Program, Supervisor } from "#local/supervisor.ts";
import { type Progress, progressSchema } from "./at-rest.ts";
import { type DemoRun, PROGRESS_FILE } from "./demo-run.ts";
import { demoMarket, engineSettings, type ServiceUrls, venueAccess } from "./demo-settings.ts";
import { LIST_LAG_MS } from "./fault-plan.ts";
import type { PlannedKill } from "./kill-plan.ts";

const DEFAULT_PORT = 7_300;

/** What the parts of `bin/up` share. */
export interface Engine {
  supervisor: Supervisor;
  data: DataFolder;
  run: DemoRun;
  urls: ServiceUrls;
  /** The environment of every process of the engine, without its port. */
  env: Record<string, string>;
  /** Names of its programs at the supervisor. */
  programs: string[];
}

/** One address for all services, or one each; the one that runs apart has its own. */
export async function chooseUrls(
  processes: boolean,
  { wanted, apart }: { wanted?: string | undefined; apart?: string | undefined } = {},
): Promise<ServiceUrls> {
  const first = wanted === undefined ? await portNear(DEFAULT_PORT) : await portOf("R3_HTTP_PORT", wanted);
  const entries: [string, string][] = [];
  for (const { name } of SERVICES) {
    const port = entries.length === 0 || !(processes || name === apart) ? first : await freePort();
    entries.push([name, `http://127.0.0.1:${port}`]);
  }
  return Object.fromEntries(entries) as ServiceUrls;
}

const readySchema = z.object({ ready: z.boolean(), pid: z.number() });

/** Whether this process, and no other one that listens there, takes work. */
export async function isReady(url: string, pid: number): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
    const said = readySchema.parse(await answer.json());
    return said.ready && said.pid === pid;
  } catch {
    return false;
  }
}

interface EngineOptions {
  supervisor: Supervisor;
  data: DataFolder;
  servers: Servers;
  run: DemoRun;
  processes: boolean;
  /** Kills at failpoints; each happens once, in whichever process passes its place first. */
  kills: readonly PlannedKill[];
  /** The variables that were given to bin/up. */
  given: Readonly<Record<string, string>>;
  /** Whether the venue is going to misbehave. */
  misbehaves: boolean;
}

/** With short windows an order of unknown fate is known sooner. */
const WITH_FAULTS = {
  R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS: "1000",
  R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS: "200",
};

/** Starts every service, in one process or in one each, and waits until all take work. */
export async function startEngine(options: EngineOptions, databaseUrl: string): Promise<Engine> {
  const { supervisor, data, servers, run, processes, kills, given, misbehaves } = options;
  const urls = await chooseUrls(processes, { wanted: given["R3_HTTP_PORT"] });
  const env = engineSettings({
    given: misbehaves ? { ...WITH_FAULTS, ...given } : given,
    markets: [demoMarket(run, misbehaves ? LIST_LAG_MS : 0)],
    urls,
    databaseUrl,
    redisUrl: servers.redisUrl,
    prefix: `r3-${run.id}`,
    dataFolder: data.path,
    failpoints: kills,
  });
  const programs = await startServices(supervisor, { urls, env, processes });
  return { supervisor, data, run, urls, env, programs };
}

export interface StartOptions {
  urls: ServiceUrls;
  env: Record<string, string>;
  processes: boolean;
  /** A service of which the one process of all has none: it runs in so many of its own. */
  apart?: Apart;
}

/** Several processes of one service. */
export interface Apart {
  service: string;
  count: number;
}

/** Starts the services of an environment and waits until all take work. Answers the names of their programs. */
export async function startServices(
  supervisor: Supervisor,
  { urls, env, processes, apart }: StartOptions,
): Promise<string[]> {
  const names = SERVICES.map(({ name }) => name).filter((name) => name !== apart?.service);
  const together = processes
    ? names.map((name) => ({ name, services: [name] }))
    : [{ name: "engine", services: names }];
  const replicas = Array.from({ length: apart?.count ?? 0 }, (_, n) => `${apart?.service}-${n + 1}`);
  const programs = [
    ...together.map((one) => ({ ...one, url: urls[one.name] ?? urls["session-manager"] })),
    ...(await Promise.all(
      replicas.map(async (name, n) => ({
        name,
        services: [apart?.service ?? ""],
        url: n === 0 ? (urls[apart?.service ?? ""] ?? "") : `http://127.0.0.1:${await freePort()}`,
      })),
    )),
  ];
  await Promise.all(
    programs.map(({ name, services, url }) => supervisor.start(serviceProgram(name, services, { url, env }))),
  );
  return programs.map(({ name }) => name);
}

function serviceProgram(
  name: string,
  services: readonly string[],
  { url, env }: { url: string; env: Record<string, string> },
): Program {
  return {
    name,
    command: [process.execPath, join(ROOT, "bin/run.ts"), ...services],
    cwd: ROOT,
    env: { ...env, R3_HTTP_PORT: new URL(url).port },
    stopSignal: "SIGTERM",
    graceMs: 12_000,
    ready: (pid) => isReady(url, pid),
    readyWithinMs: 60_000,
  };
}

/** Starts one more process of a service, which shares its work. It is one of the engine's programs from then on. */
export async function startReplica({ supervisor, env, programs }: Engine, service: string): Promise<void> {
  const name = `${service}-2`;
  await supervisor.start(serviceProgram(name, [service], { url: `http://127.0.0.1:${await freePort()}`, env }));
  programs.push(name);
}

/** Writes where everything is, for whoever looks at the run from outside (bin/check-demo.ts). */
export function writePlaces({ data, run, urls }: Engine): void {
  writeFileSync(join(data.path, "places.json"), JSON.stringify({ run, urls }, null, 2), { mode: 0o600 });
}

/** Starts the conductor, which ends by itself when the last bar is done. */
export async function startConductor(engine: Engine, sessionId: string, faultSeed: number | null): Promise<void> {
  const { supervisor, data, run, urls, env } = engine;
  const settings = {
    "--venue": venueAccess(run, urls).url,
    "--session": sessionId,
    "--account": run.id,
    "--bars": String(run.bars),
    "--progress": join(data.path, PROGRESS_FILE),
    ...(faultSeed === null ? {} : { "--faults": String(faultSeed) }),
  };
  await supervisor.start({
    name: "conductor",
    command: [process.execPath, join(ROOT, "bin/conductor.ts"), ...Object.entries(settings).flat()],
    cwd: ROOT,
    env,
    stopSignal: "SIGTERM",
    graceMs: 2_000,
    ready: () => Promise.resolve(true),
    readyWithinMs: 1_000,
    ends: true,
  });
}

/** How far the conductor says it is. Null: it has said nothing yet. */
export function progressOf(data: DataFolder): Progress | null {
  const file = join(data.path, PROGRESS_FILE);
  return existsSync(file) ? progressSchema.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
}
