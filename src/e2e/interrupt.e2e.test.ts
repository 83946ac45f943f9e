import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeDataFolder } from "#local/data-folder.ts";
import { environment } from "#local/environment.ts";
import { postgresHome } from "#local/postgres-server.ts";
import { endLeftovers, identityOf, remember } from "#local/process-record.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { eventually } from "#testing/alone.fixture.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "interrupt-"));
});
afterEach(async () => {
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

/** Runs a command as a terminal does, and interrupts it and all that is in its process group as soon as `when` says so. */
async function interrupted(args: readonly string[], settings: Record<string, string>, when: () => boolean) {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: environment(settings),
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (part: Buffer) => {
    said += part.toString();
  });
  const closed = once(child, "close");
  try {
    await eventually("it can be interrupted", when, 60_000);
  } finally {
    process.kill(-(child.pid ?? 0), "SIGINT");
  }
  const [code] = (await closed) as [number | null];
  return { code, said: said.replaceAll(/\d+\.\d s/g, "N s") };
}

/** initdb writes into a folder aside; a server of its own does the work, and has its lock there. */
const isMakingData = (dataFolder: string) => (): boolean =>
  existsSync(join(postgresHome(dataFolder), "data.new/postmaster.pid"));

test("Ctrl-C at bin/up while Postgres' data is made ends it, and is no failure", async () => {
  const { code, said } = await interrupted(["bin/up.ts"], { R3_DATA_FOLDER: folder }, isMakingData(folder));
  expect(said).toMatch(
    /^■ Postgres \(interrupted after N s\)\nInterrupted \(SIGINT\): .*\n✔ Everything stopped \(N s\)\nData and logs stay in .*\n$/,
  );
  expect(code).toBe(130);
  expect(existsSync(join(postgresHome(folder), "data"))).toBe(false);
});

test.each([
  [[], 0],
  [["--until-demo-ends"], 130],
])(
  "Ctrl-C at bin/up while its demo plays, with %j, exits %i",
  async (args, exits) => {
    const isUp = (): boolean => existsSync(join(folder, "places.json"));
    const { code, said } = await interrupted(["bin/up.ts", ...args], { R3_DATA_FOLDER: folder }, isUp);
    expect(said).toContain("✔ Everything stopped (N s)\nData and logs stay in ");
    expect(said).not.toContain("equal");
    expect(code).toBe(exits);
  },
  60_000,
);

test("Ctrl-C at what works in a folder of its own while Postgres' data is made leaves nothing behind", async () => {
  const isMaking = (): boolean => readdirSync(folder).some((name) => isMakingData(join(folder, name))());
  const { code, said } = await interrupted(["bin/test.ts", "src/local/say.test.ts"], { TMPDIR: folder }, isMaking);
  expect(said).toMatch(/^■ Postgres \(interrupted after N s\)\n✔ Interrupted: everything ended and removed \(N s\)\n$/);
  expect(code).toBe(130);
  expect(readdirSync(folder)).toEqual([]);
});

/** What a bin/up that was killed has left: it takes its time to end, and makes a file once it is asked to. */
async function leaveRunning(asked: string): Promise<number> {
  const source = `
    process.on("SIGTERM", () => { require("node:fs").writeFileSync("${asked}", ""); setTimeout(process.exit, 1_000); });
    console.log("ready"); setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["-e", source], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  const pid = child.pid ?? 0;
  takeDataFolder(folder, "bin/up").release();
  const record = { name: "redis", pid, identity: identityOf(pid) ?? "", stopSignal: "SIGTERM", rank: 1 } as const;
  remember(join(folder, "processes"), record);
  return pid;
}

test("Ctrl-C at bin/up while it ends what an earlier one left ends that too", async () => {
  const asked = join(folder, "asked");
  const pid = await leaveRunning(asked);
  const { code, said } = await interrupted(["bin/up.ts"], { R3_DATA_FOLDER: folder }, () => existsSync(asked));
  expect(identityOf(pid)).toBeNull();
  expect(said).toContain("✔ Everything stopped (N s)\nData and logs stay in ");
  expect(code).toBe(130);
});
