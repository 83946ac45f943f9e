import { afterAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { openShell, type Shell, typedBlocks } from "#testing/typed.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "history-"));
const guide = await Bun.file(resolve(ROOT, "docs/history.md")).text();
const shells: Shell[] = [];
afterAll(async () => {
  for (const shell of shells) await shell.close();
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

/** The answers that a block printed, one a line or one behind the other. */
const answersOf = (said: string): unknown[] =>
  said
    .replaceAll("}{", "}\n{")
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));

test("docs/history.md, typed word for word, back-fills, cancels, resumes, repairs, and has candles leave and come as files", async () => {
  const port = String(await freePort());
  const block = /```settings\n([^`]+)```/.exec(guide)?.[1] ?? "";
  const settings = parseEnv(block.replaceAll("7300", port)) as Record<string, string>;
  const [start, ...typed] = typedBlocks(guide).map((one) => one.replaceAll("7300", port));
  expect(start).toBe("R3_SETTINGS_FILE=history.env bin/up\n");
  const ended = await runUp({ ...settings, R3_DATA_FOLDER: folder }, ["--bars", "12"], async () => {
    const shell = openShell(ROOT);
    shells.push(shell);
    const [series = "", fill = "", cancel = "", gaps = "", repair = "", csv = "", parquet = "", wrong = "", ...more] =
      typed;
    expect(more).toEqual([]);
    const [begun] = answersOf(await shell.type(series)) as [{ firstN: number; headN: number }];
    expect(begun.firstN).toBe(1);
    // The market goes on while its history is read.
    expect(begun.headN).toBeGreaterThanOrEqual(1_000);

    const [filled, list] = answersOf(await shell.type(fill));
    expect(filled).toMatchObject({ state: "DONE", count: 3_000, progress: 1, error: null });
    expect((filled as { added: number }).added).toBeLessThanOrEqual(3_000 - begun.headN);
    expect((filled as { added: number }).added).toBeGreaterThan(1_500);
    expect(list).toMatchObject({ items: [filled] });

    const [canceled, resumed, over] = answersOf(await shell.type(cancel));
    expect(canceled).toMatchObject({ state: "CANCELED", added: 0, error: "It was canceled." });
    expect(resumed).toMatchObject({ state: expect.stringMatching(/^(QUEUED|RUNNING)$/), error: null });
    expect(over).toMatchObject({ state: "DONE", endReason: expect.stringMatching(/^History begins at 20\d\d-/) });

    const [weekend, none] = answersOf(await shell.type(gaps));
    expect(weekend).toMatchObject({ items: [{ bars: 2, listed: null }] });
    expect(none).toEqual({ items: [], nextCursor: null });
    const [repaired] = answersOf(await shell.type(repair)) as [{ added: number; headN: number }];
    expect(repaired.added).toBeGreaterThan(1);

    const [columns, first = "", imported = ""] = (await shell.type(csv)).trim().split("\n");
    expect(columns).toBe("date,open,high,low,close,volume,n");
    const firstN = Number(first.split(",").at(-1));
    const { headN } = repaired;
    const same = headN - firstN + 1;
    expect(same).toBeGreaterThan(5_000);
    expect(JSON.parse(imported)).toEqual({ earlier: 0, later: 0, same, withoutTrade: 0, firstN, headN });

    const [magic, importedToo = ""] = (await shell.type(parquet)).trim().split("\n");
    expect(magic).toBe("PAR1");
    expect(JSON.parse(importedToo)).toEqual(JSON.parse(imported));

    expect(answersOf(await shell.type(wrong))).toEqual([{ removed: same, left: 0 }]);
  });
  expect(ended.code).toBe(0);
}, 180_000);
