import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { ALERT_KINDS, SERVICES } from "#local/services.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { copyRepository } from "#testing/copy-repository.ts";
import { openShell, type Shell, terminalEnvironment, typedBlocks } from "#testing/typed.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "monitoring-"));
const data = mkdtempSync(join(tmpdir(), "monitoring-data-"));
const guide = await Bun.file(resolve(ROOT, "docs/monitoring.md")).text();
const [start, ...typed] = typedBlocks(guide);

const shells: Shell[] = [];
afterAll(async () => {
  for (const shell of shells) await shell.close();
  await endLeftovers(join(data, "processes"));
  removeData(data);
  rmSync(folder, { recursive: true, force: true });
});

type Answer = { items: Record<string, unknown>[] };

test("docs/monitoring.md, typed word for word, shows how the engine is, and has a rule of one's own raise an alert", async () => {
  const copy = copyRepository(folder);
  const port = String(await freePort());
  expect(start).toBe("bin/up\n");
  const up = Bun.spawn([join(copy, "bin/up")], {
    cwd: copy,
    env: terminalEnvironment({ R3_DATA_FOLDER: data, R3_HTTP_PORT: port }),
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    const services = async () =>
      ((await getJson(`http://127.0.0.1:${port}/api/monitoring/services`).catch(() => ({ items: [] }))) as Answer)
        .items;
    // The venue stands outside the engine, and is not heard.
    const all = SERVICES.filter(({ needs }) => needs === "engine").map(({ name }) => name);
    await eventually(
      "each service is heard and takes work",
      async () => {
        const ready = (await services()).filter((one) => one["ready"] === 1).map((one) => one["service"]);
        return all.every((name) => ready.includes(name));
      },
      60_000,
    );
    const page = await (await fetch(`http://127.0.0.1:${port}/api/monitoring/`)).text();
    expect(page).toContain("Every service takes work");
    const [see = "", make = "", word = "", change = "", ...more] = typed.map((block) => block.replaceAll("7300", port));
    expect(more).toEqual([]);
    const shell = openShell(copy);
    shells.push(shell);
    const seen = await shell.type(see);
    for (const text of ['"service":"risk-manager"', '"role":"monitoring:look"', '"atRest":'])
      expect(seen).toContain(text);
    expect(await shell.type(make)).toContain('"scope":"rule:SOMEBODY_WORKS/service:risk-manager"');
    const said = await shell.type(word);
    expect(said).toContain('"acknowledged":{"by":"local"');
    expect(said).toMatch(/"items":\[.*"silenced":\{"by":"local".*"reason":"Until tomorrow."/);
    const changed = await shell.type(change);
    expect(changed).toContain('"limit":50000');
    expect(changed).toContain('"enabled":false');
    expect(changed).toMatch(/"clearedAtMs":\d+/);
  } finally {
    up.kill("SIGINT");
  }
  expect(await up.exited).toBe(130);
}, 180_000);

test("each alert that docs/monitoring.md names is one", () => {
  const named = [...guide.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \|/gm)].flatMap(([, codes = ""]) =>
    [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code ?? ""),
  );
  expect(named.length).toBeGreaterThan(8);
  for (const code of named) expect(Object.keys(ALERT_KINDS)).toContain(code);
});
