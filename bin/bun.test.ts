import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "#local/root.ts";
import { until } from "#shared/clock/until.fixture.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "clone-"));
  mkdirSync(join(root, "bin"));
  copyFileSync(join(ROOT, "bin/bun"), join(root, "bin/bun"));
  writeFileSync(join(root, "bun.lock"), "{}");
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** A folder of these programs alone: no Bun of the machine is found there. */
function programs(names: readonly string[]): string {
  const folder = join(root, "programs");
  mkdirSync(folder);
  for (const name of names) symlinkSync(Bun.which(name) ?? "", join(folder, name));
  return folder;
}

/** Runs bin/bun in a fresh clone, with a Bun that notes how it was called, and whose installation is this. */
function run(args: readonly string[], installation = "mkdir -p node_modules") {
  const stub = join(root, "stub");
  mkdirSync(stub, { recursive: true });
  const source = `case "$1" in --version) echo 1.4.5 && exit ;; esac
    echo "$@" >> "${root}/calls"
    case "$1" in install) ${installation} ;; esac`;
  writeFileSync(join(stub, "bun"), `#!/bin/sh\n${source}\n`);
  chmodSync(join(stub, "bun"), 0o755);
  const env = { PATH: `${stub}:/usr/bin:/bin`, HOME: root };
  const done = Bun.spawnSync([join(root, "bin/bun"), ...args], { env });
  const calls = existsSync(join(root, "calls")) ? readFileSync(join(root, "calls"), "utf8").trim().split("\n") : [];
  return { code: done.exitCode, said: done.stderr.toString(), calls };
}

describe("bin/bun in a fresh clone", () => {
  test("installs from the lockfile once, says so in a line, and leaves out Bun's summary", () => {
    expect(run(["bin/up.ts"])).toEqual({
      code: 0,
      said: "Installing packages from bun.lock ...\n",
      calls: ["install --frozen-lockfile --no-summary", "bin/up.ts"],
    });
    expect(run(["bin/up.ts"]).said).toBe("");
  });

  test("shows in full why an installation failed, and does not go on", () => {
    const { code, said, calls } = run(["bin/up.ts"], "echo error: no such host >&2; exit 1");
    expect({ code, calls }).toEqual({ code: 1, calls: ["install --frozen-lockfile --no-summary"] });
    expect(said.split("\n")).toEqual([
      "Installing packages from bun.lock ...",
      "error: no such host",
      "bin/bun: bun install --frozen-lockfile failed; its message stands above.",
      "",
    ]);
  });

  test("leaves the summary out as well when only the installation was asked for", () => {
    const { said, calls } = run(["install"]);
    expect({ said, calls }).toEqual({ said: "Installing packages ...\n", calls: ["install --no-summary"] });
  });

  test.each([
    [["bnech"], /^There is no script "bnech"\. Did you mean bench\?\n$/],
    [["xyzxyzxyz"], /^There is no script "xyzxyzxyz"\. There are all, .*\.\n$/],
    [[], /^Which script\? bin\/bun run <script>\. There are all, .*\.\n$/],
  ])("says which script may be meant by %j", (script, says) => {
    const repository = ROOT;
    const done = Bun.spawnSync([join(repository, "bin/bun"), "run", ...script], { cwd: repository });
    expect(done.exitCode).toBe(1);
    expect(done.stderr.toString()).toEqual(expect.stringMatching(says));
  });

  /** A script that is started by another one in the background overlooks SIGINT, while npm hears it. */
  test.each(["", "trap '' INT; "])(
    "that is interrupted while it fetches Bun says so and leaves nothing (%j)",
    async (before) => {
      const stub = join(root, "stub");
      mkdirSync(stub);
      mkdirSync(join(root, ".bun/bun-1.4.5.1/node_modules"), { recursive: true });
      const source = `process.on("SIGINT", () => process.exit(130)); require("fs").writeFileSync("${root}/fetching", ""); setTimeout(() => {}, 60_000);`;
      writeFileSync(join(stub, "npm"), `#!/bin/sh\ntouch part\nexec "${process.execPath}" -e '${source}'\n`);
      chmodSync(join(stub, "npm"), 0o755);
      const PATH = `${stub}:${programs(["sh", "dirname", "mkdir", "rm", "cat", "kill", "sleep", "touch"])}`;
      const child = spawn("sh", ["-c", `${before}exec "${join(root, "bin/bun")}" bin/up.ts`], {
        env: { PATH, HOME: root },
        detached: true,
        stdio: ["ignore", "ignore", "pipe"],
      });
      let said = "";
      child.stderr.on("data", (part: Buffer) => {
        said += part.toString();
      });
      const closed = once(child, "close");
      await until(() => existsSync(join(root, "fetching")));
      process.kill(-(child.pid ?? 0), "SIGINT");
      expect(await closed).toEqual([130, null]);
      expect(said).toBe(
        "Getting Bun 1.4.5 with npm into .bun/ ...\nbin/bun: interrupted; called again it begins anew.\n",
      );
      expect(readdirSync(join(root, ".bun"))).toEqual([]);
    },
  );

  test("leaves to Bun what is a script, a tool or a file", () => {
    writeFileSync(join(root, "package.json"), '{\n  "scripts": {\n    "all": "x"\n  }\n}');
    for (const name of ["all", "ls", "bin/up.ts", "--silent"])
      expect(run(["run", name]).calls.at(-1)).toBe(`run ${name}`);
  });
});
