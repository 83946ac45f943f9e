import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyRepository } from "#testing/copy-repository.ts";

/** What is made from the definitions, and the tests that compare it. */
const MADE_BY = ["services-doc", "alerts-doc", "env-example"];
const COMPARED = MADE_BY.map((command) => `./bin/${command}.test.ts`);
/** The one line. */
const LINE = '  (await import("#services/trial/index.ts")).trial,\n';

let folder: string;
let copy: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trial-service-"));
  copy = copyRepository(folder);
  // The one folder.
  cpSync(join(copy, "src/testing/trial-service"), join(copy, "src/services/trial"), { recursive: true });
  const list = join(copy, "src/local/services.ts");
  writeFileSync(list, readFileSync(list, "utf8").replace(/^\];$/m, `${LINE}];`));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs Bun in the copy, against the servers of this test. */
async function run(...args: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn([process.execPath, ...args], { cwd: copy, stdout: "pipe", stderr: "pipe", timeout: 120_000 });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, output: output.join("") };
}

describe("a service that is added in one folder and one line", () => {
  test("is missed in what is made from the definitions, with the commands that mend it", async () => {
    const { code, output } = await run("test", ...COMPARED);
    expect(code).toBe(1);
    for (const command of MADE_BY) expect(output).toMatch(new RegExp(`\\(fail\\).*bin/bun run ${command}`));
  });

  test("is whole once they have run", async () => {
    for (const command of MADE_BY) expect(await run("run", command)).toMatchObject({ code: 0 });
    for (const args of [
      ["test", ...COMPARED, "./src/e2e/openapi.test.ts"],
      ["run", "tsc", "-p", "."],
    ]) {
      const { code, output } = await run(...args);
      expect([code, code === 0 ? "" : output]).toEqual([0, ""]);
    }
    expect(readFileSync(join(copy, "package.json"), "utf8")).toContain('"trial": "bun bin/run.ts trial"');
  }, 120_000);

  test("works alone, as every service does", async () => {
    const { code, output } = await run("test", "./src/e2e/alone.e2e.test.ts", "-t", "trial", "--timeout", "60000");
    expect([code, code === 0 ? "" : output]).toEqual([0, ""]);
    expect(output).toContain("1 pass");
  });
});
