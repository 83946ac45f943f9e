import { expect, test } from "bun:test";
import { environment } from "#local/environment.ts";
import { ROOT } from "#local/root.ts";
import { scripts } from "#package" with { type: "json" };

/** What a command's help says, on lines that are not wrapped. */
function helpOf(...args: string[]): string {
  const cwd = ROOT;
  const { stdout } = Bun.spawnSync([process.execPath, ...args, "--help"], { cwd, env: environment({}) });
  return stdout.toString().replaceAll(/\s+/g, " ");
}

test("bin/up --help says the range of each number", () => {
  const help = helpOf("bin/up.ts");
  expect(help).toMatch(/--bars <n> \D+ 1 to 5105 /);
  expect(help).toMatch(/--kill <k> \D+ 1 to 11, /);
  expect(help).toMatch(/--seed <n> \D+ 1 to 1000000000 /);
  expect(help).toMatch(/--faults <seed> \D+ 1 to 1000000000: /);
  expect(help).toMatch(/Exit code: 0 where Ctrl-C .* 130 where it is interrupted before it is up/);
});

test("bench sessions --help says the default of its crowds once", () => {
  const [, about = ""] = /sessions how many(.*)Options:/.exec(helpOf("bench/main.ts", "sessions")) ?? [];
  expect(about.match(/default/g)).toHaveLength(1);
  expect(about).toContain("100 500 1000");
});

const SCRIPTS = Object.entries(scripts).filter(([, command]) => command.startsWith("bun "));

test.each(SCRIPTS)("%s --help says what it does; what it does not know is refused", (_name, command) => {
  const [, ...args] = command.split(" ");
  expect(helpOf(...args)).toMatch(/^Usage: .* Options: .*--help/);
  const run = Bun.spawnSync([process.execPath, ...args, "--no-such-option"], { cwd: ROOT, env: environment({}) });
  expect(run.exitCode).toBe(1);
  expect(run.stderr.toString()).toContain("unknown option '--no-such-option'");
});
