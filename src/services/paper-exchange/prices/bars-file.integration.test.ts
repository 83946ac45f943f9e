import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execPath } from "node:process";
import { releaseBars } from "#services/paper-exchange/control.fixture.ts";
import { marketSettings, startVenue } from "#services/paper-exchange/venue.fixture.ts";

const ROOT = resolve(import.meta.dir, "../../../..");
const HEADER = "date,open,high,low,close,volume";
const GOOD = "2024-01-02,100,103,98,101,4";
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "paper-exchange-bars-"));
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

/** What the process says on standard error before it ends, started as a person starts it. */
async function startWith(rows: string[]) {
  const bars = join(folder, "bars.csv");
  await Bun.write(bars, [HEADER, ...rows].join("\n"));
  const child = Bun.spawn([execPath, "bin/run.ts", "paper-exchange"], {
    cwd: ROOT,
    env: {
      PATH: import.meta.env["PATH"] ?? "",
      R3_HTTP_PORT: "0",
      R3_LOG_LEVEL: "fatal",
      R3_PAPER_EXCHANGE_FOLDER: folder,
      R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([marketSettings(bars)]),
    },
    stdout: "ignore",
    stderr: "pipe",
  });
  const text = await new Response(child.stderr).text();
  return { code: await child.exited, text, bars };
}

describe("a file of bars", () => {
  test.each([
    ["a short row", [GOOD, "2024-01-03,1,1"], 3, "it has another number of fields than the first line has columns."],
    ["an open quote", [GOOD, '"2024-01-03,1,1,1,1,4'], 3, "a quote is opened and never closed."],
    ["a low above its high", ["2024-01-02,2,1,3,2,4"], 2, "open 2 is not between low 3 and high 1."],
    [
      "times that do not rise",
      [GOOD, "2024-01-01,1,1,1,1,4"],
      3,
      "its time is not after the bar before it, which opened at 2024-01-02T00:00:00.000Z for a 1d.",
    ],
    [
      "a bar within another's time",
      ["2024-01-02T03:04:00Z,1,1,1,1,4"],
      2,
      'date "2024-01-02T03:04:00Z" is not where a 1d bar opens in UTC.',
    ],
    [
      "seconds, which might be anything",
      ["1704164640,1,1,1,1,4"],
      2,
      'date "1704164640" has to be like 2024-01-02, 2024-01-02T03:04:00Z or milliseconds since 1970.',
    ],
  ])("with %s ends the start with one sentence of file, line and fault", async (_fault, rows, line, what) => {
    const { code, text, bars } = await startWith(rows);
    expect(text).toBe(`The file of bars cannot be used: ${bars}, line ${line}: ${what}\n`);
    expect(code).toBe(1);
  });

  test.each([
    ["1s", "2024-01-02T03:04:05Z", "2024-01-02T03:04:06Z"],
    ["1m", "2024-01-02T03:04:00Z", "2024-01-02T03:05:00Z"],
    ["1h", String(Date.UTC(2024, 0, 2, 3)), String(Date.UTC(2024, 0, 2, 4))],
  ])("of %s is replayed with the times that it has", async (timeFrame, first, second) => {
    const bars = join(folder, "bars.csv");
    await Bun.write(bars, [HEADER, `${first},100,103,98,101,4`, `${second},101,104,99,102,4`].join("\n"));
    const venue = await startVenue({ markets: () => [marketSettings(bars, { timeFrame })] });
    await releaseBars(venue.url(), 2);
    const listed = await fetch(`${venue.url()}/api/v3/klines?symbol=SPXUSD&interval=${timeFrame}`);
    const opened = ((await listed.json()) as number[][]).map(([openAtMs]) => openAtMs);
    await venue.stop();
    const ms = (text: string) => (/^\d+$/.test(text) ? Number(text) : Date.parse(text));
    expect(opened).toEqual([ms(first), ms(second)]);
  });
});
