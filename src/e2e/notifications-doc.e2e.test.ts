import { expect, test } from "bun:test";
import { parseEnv } from "node:util";
import { getJson } from "#local/rest.ts";
import { channelInputSchema } from "#services/notification/recipients/channel-input.ts";
import { notificationSettings } from "#services/notification/settings.ts";
import { openGuide } from "#testing/guide.fixture.ts";

const guide = await openGuide("notifications");

type Answer = { items: Record<string, unknown>[] };

/** The demo's session runs. */
const isReady = async (api: string): Promise<boolean> =>
  ((await getJson(`${api}/session-manager/sessions`)) as Answer).items[0]?.["state"] === "RUNNING";

test("docs/notifications.md, typed word for word, has a message come to a receiver of one's own, and again once it is back", async () => {
  await guide.follow({ isReady, ports: ["7399"] }, async ({ blocks, shell }, api) => {
    const [receiver = "", tell = "", pause = "", change = "", fail = "", end = "", ...more] = blocks;
    expect(more).toEqual([]);
    await shell.type(receiver);
    expect(await shell.type(tell)).toMatch(/\d+ A test message for Me$/m);
    expect(await shell.type(pause)).toMatch(/\d+ .*: RUNNING → PAUSED$/m);
    expect(JSON.parse(await shell.type(change))).toMatchObject({ minSeverity: "warning", dailySummaryAt: "08:00" });
    const failed = await shell.type(fail);
    expect(failed).toContain('"lastError":"It cannot be reached: ');
    expect(failed).toContain('"state":"waiting"');
    expect(failed).toMatch(/\d+ A test message for Me$/m);
    expect(await shell.type(end)).toBe("");
    expect(await getJson(`${api}/notification/recipients`)).toMatchObject({ items: [] });
  });
}, 180_000);

test("each channel of docs/notifications.md is one that a recipient may have, and the settings are valid", () => {
  const rows = [...guide.text.matchAll(/\| `(\{"type".*\})` \|/g)].map(([, json = ""]) =>
    channelInputSchema.parse(JSON.parse(json)),
  );
  expect(rows.map(({ type }) => type)).toEqual(["webhook", "email", "telegram", "slack", "discord"]);
  const block = /```settings\n([^`]+)```/.exec(guide.text)?.[1] ?? "";
  expect(notificationSettings.parse(parseEnv(block))).toMatchObject({
    R3_NOTIFICATION_MAIL_FROM: "engine@mail.example",
  });
});
