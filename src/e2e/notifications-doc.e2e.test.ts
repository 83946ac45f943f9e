import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { channelInputSchema } from "#services/notification/recipients/channel-input.ts";
import { notificationSettings } from "#services/notification/settings.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { copyRepository } from "#testing/copy-repository.ts";
import { openShell, type Shell, terminalEnvironment, typedBlocks } from "#testing/typed.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "notifications-"));
const data = mkdtempSync(join(tmpdir(), "notifications-data-"));
const guide = await Bun.file(resolve(ROOT, "docs/notifications.md")).text();
const [start, ...typed] = typedBlocks(guide);

const shells: Shell[] = [];
afterAll(async () => {
  for (const shell of shells) await shell.close();
  await endLeftovers(join(data, "processes"));
  removeData(data);
  rmSync(folder, { recursive: true, force: true });
});

type Answer = { items: Record<string, unknown>[] };

test("docs/notifications.md, typed word for word, has a message come to a receiver of one's own, and again once it is back", async () => {
  const copy = copyRepository(folder);
  const [port, receiverPort] = [String(await freePort()), String(await freePort())];
  expect(start).toBe("bin/up\n");
  const up = Bun.spawn([join(copy, "bin/up")], {
    cwd: copy,
    env: terminalEnvironment({ R3_DATA_FOLDER: data, R3_HTTP_PORT: port }),
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    const sessions = async () =>
      ((await getJson(`http://127.0.0.1:${port}/api/session-manager/sessions`).catch(() => ({ items: [] }))) as Answer)
        .items;
    await eventually("the demo runs", async () => (await sessions())[0]?.["state"] === "RUNNING", 60_000);
    const [receiver = "", tell = "", pause = "", change = "", fail = "", end = "", ...more] = typed.map((block) =>
      block.replaceAll("7300", port).replaceAll("7399", receiverPort),
    );
    expect(more).toEqual([]);
    const shell = openShell(copy);
    shells.push(shell);
    await shell.type(receiver);
    expect(await shell.type(tell)).toMatch(/\d+ A test message for Me$/m);
    expect(await shell.type(pause)).toMatch(/\d+ .*: RUNNING → PAUSED$/m);
    expect(JSON.parse(await shell.type(change))).toMatchObject({ minSeverity: "warning", dailySummaryAt: "08:00" });
    const failed = await shell.type(fail);
    expect(failed).toContain('"lastError":"It cannot be reached: ');
    expect(failed).toContain('"state":"waiting"');
    expect(failed).toMatch(/\d+ A test message for Me$/m);
    expect(await shell.type(end)).toBe("");
    expect(await getJson(`http://127.0.0.1:${port}/api/notification/recipients`)).toMatchObject({ items: [] });
  } finally {
    up.kill("SIGINT");
  }
  expect(await up.exited).toBe(130);
}, 180_000);

test("each channel of docs/notifications.md is one that a recipient may have, and the settings are valid", () => {
  const rows = [...guide.matchAll(/\| `(\{"type".*\})` \|/g)].map(([, json = ""]) =>
    channelInputSchema.parse(JSON.parse(json)),
  );
  expect(rows.map(({ type }) => type)).toEqual(["webhook", "email", "telegram", "slack", "discord"]);
  const block = /```settings\n([^`]+)```/.exec(guide)?.[1] ?? "";
  expect(notificationSettings.parse(parseEnv(block))).toMatchObject({
    R3_NOTIFICATION_MAIL_FROM: "engine@mail.example",
  });
});
