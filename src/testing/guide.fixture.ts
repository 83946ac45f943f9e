import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { eventually } from "./alone.fixture.ts";
import { copyRepository } from "./copy-repository.ts";
import { openShell, type Shell, terminalEnvironment, typedBlocks } from "./typed.fixture.ts";

/** A guide of docs/ that begins with `bin/up`, and is followed in a copy of the repository. */
export interface Guide {
  readonly text: string;
  /**
   * Starts the engine as the guide says and waits until `isReady` holds, then hands over the other blocks and a shell
   * to type them into; ends with Ctrl-C. `ports`: more ports that the blocks name, replaced by free ones as the API's is.
   */
  follow(
    prepared: { isReady: (api: string) => Promise<boolean>; ports?: readonly string[] },
    steps: (typed: { blocks: string[]; shell: Shell }, api: string) => Promise<void>,
  ): Promise<void>;
}

/** Reads `docs/NAME.md`. What following it leaves is removed after the file's tests. */
export async function openGuide(name: string): Promise<Guide> {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  const data = mkdtempSync(join(tmpdir(), `${name}-data-`));
  const text = await Bun.file(resolve(ROOT, `docs/${name}.md`)).text();
  const shells: Shell[] = [];
  afterAll(async () => {
    for (const shell of shells) await shell.close();
    await endLeftovers(join(data, "processes"));
    removeData(data);
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    text,
    async follow({ isReady, ports = [] }, steps) {
      const copy = copyRepository(folder);
      const port = String(await freePort());
      const api = `http://127.0.0.1:${port}/api`;
      const named = new Map([["7300", port]]);
      for (const other of ports) named.set(other, String(await freePort()));
      const [start, ...typed] = typedBlocks(text);
      const blocks = typed.map((block) => [...named].reduce((told, [from, to]) => told.replaceAll(from, to), block));
      expect(start).toBe("bin/up\n");
      const up = Bun.spawn([join(copy, "bin/up")], {
        cwd: copy,
        env: terminalEnvironment({ R3_DATA_FOLDER: data, R3_HTTP_PORT: port }),
        stdout: "ignore",
        stderr: "ignore",
      });
      try {
        await eventually("the engine is ready for the guide", () => isReady(api).catch(() => false), 60_000);
        const shell = openShell(copy);
        shells.push(shell);
        await steps({ blocks, shell }, api);
      } finally {
        up.kill("SIGINT");
      }
      expect(await up.exited).toBe(0);
    },
  };
}
