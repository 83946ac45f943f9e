import { expect, test } from "bun:test";
import { ROOT } from "#local/root.ts";
import { LAYOUTS } from "./demo-faults.ts";

/** Another one for each commit, and the same again for the same. */
function seedOfCommit(): number {
  const { stdout } = Bun.spawnSync(["git", "rev-parse", "HEAD"], { cwd: ROOT, stderr: "ignore" });
  return Number.parseInt(stdout.toString().slice(0, 7), 16) || 1;
}

async function chaosDemo(...options: string[]): Promise<{ code: number; line: string; said: string }> {
  const command = [process.execPath, "chaos/main.ts", "demo", ...options];
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [line, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, line, said };
}

test("the demo ends equal over ten faults of processes, servers and connections that its commit draws", async () => {
  const seed = seedOfCommit();
  const layout = LAYOUTS[seed % LAYOUTS.length] ?? "one";
  const { code, line, said } = await chaosDemo("--seed", String(seed), "--layout", layout, "--bars", "300");
  if (code !== 0)
    throw new Error(`chaos demo --seed ${seed} --layout ${layout} --bars 300 ended with ${code}:\n${said}`);
  expect(JSON.parse(line)).toMatchObject({ seed, layout, equal: true, bars: 300 });
}, 480_000);

test.each([
  ["equity", "Different: equity point 20"],
  ["fill", "Different: fill 1"],
])(
  "one changed %s is found",
  async (what, sentence) => {
    const { code, said } = await chaosDemo("--bars", "60", "--falsify", what);
    expect(said).toContain(sentence);
    expect(code).toBe(1);
  },
  480_000,
);
