import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Trouble } from "#local/say.ts";
import { installForAll, onPath, type SystemProgram } from "#local/system-packages.ts";

const CHROMIUM: SystemProgram = {
  title: "Chromium",
  names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  packages: { "apt-get": "chromium", apk: "chromium", dnf: "chromium" },
};
const isRoot = process.getuid?.() === 0;

/** A Chromium: on PATH, else by the system's package manager, which root alone may ask. Throws a Trouble where there is none. */
export async function findChromium(): Promise<string> {
  const found = onPath(CHROMIUM) ?? (isRoot ? await installForAll(CHROMIUM) : null);
  if (found !== null) return found;
  throw new Trouble("No Chromium was found or could be installed; install it so that chromium is on PATH.");
}

/** Opens a page in a browser without a window and ends it, with all that it wrote, once `until` has come. */
export async function withPage<Result>(binary: string, url: string, until: () => Promise<Result>): Promise<Result> {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const browser = Bun.spawn(
    [
      binary,
      "--headless=new",
      // Without it a browser without a window ends once its page is loaded.
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "--no-first-run",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      // Its own sandbox refuses to run as root.
      ...(isRoot ? ["--no-sandbox"] : []),
      url,
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "pipe", timeout: 40_000 },
  );
  const said = new Response(browser.stderr).text();
  const ended = browser.exited.then(async (code) => {
    throw new Trouble(`${binary} ended with ${code}: ${(await said).slice(-1_000)}`);
  });
  try {
    return await Promise.race([until(), ended]);
  } finally {
    ended.catch(() => undefined);
    browser.kill("SIGTERM");
    await browser.exited;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
