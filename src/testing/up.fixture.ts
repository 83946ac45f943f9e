import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { environment } from "#local/environment.ts";
import { ROOT } from "#local/root.ts";
import { eventually } from "./alone.fixture.ts";

const LOOK_AROUND = "Everything goes on running";

/** What bin/up came to: its exit code, and what it said for people. */
export interface Upped {
  code: number;
  said: string;
}

/**
 * Runs bin/up on a data folder with these settings. Once it says that one can look around, it is interrupted after `look`,
 * which is given the address of its API and asks for what it has said so far.
 */
export async function runUp(
  settings: { R3_DATA_FOLDER: string } & Record<string, string>,
  args: readonly string[],
  look?: (api: string, saidSoFar: () => string) => Promise<void>,
): Promise<Upped> {
  const child = Bun.spawn([process.execPath, "bin/up.ts", ...args], {
    cwd: ROOT,
    env: environment(settings),
    stdout: "ignore",
    stderr: "pipe",
  });
  let said = "";
  const read = (async () => {
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) said += part;
  })();
  if (look !== undefined) {
    try {
      await eventually(LOOK_AROUND, () => said.includes(LOOK_AROUND), 60_000);
      const places: unknown = JSON.parse(readFileSync(join(settings.R3_DATA_FOLDER, "places.json"), "utf8"));
      const { urls } = z.object({ urls: z.record(z.string(), z.string()) }).parse(places);
      await look(`${urls["session-manager"]}/api`, () => said);
    } finally {
      child.kill("SIGINT");
    }
  }
  const code = await child.exited;
  await read;
  return { code, said };
}
