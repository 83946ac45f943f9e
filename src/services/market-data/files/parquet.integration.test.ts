import { describe, expect, test } from "bun:test";
import { memoryUsage } from "node:process";
import { parquetMetadata } from "hyparquet";
import { MINUTE_MS, type Replica } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { randomFrom } from "#shared/random/random-from.ts";
import { MOST_BARS } from "./import-candles.ts";
import { fileOf, fileOfFooter, fileOfIndexes } from "./parquet-files.fixture.ts";
import { slowestMeanwhile } from "./slowest-meanwhile.fixture.ts";

const at = replicasOfEachTest();
const TYPE = "application/vnd.apache.parquet";
const copy = { ...spx, id: "COPY/USD.sim" };
const pathOf = (form: "csv" | "parquet", id = spx.id) =>
  `/candles/${form}?instrumentId=${encodeURIComponent(id)}&timeFrame=1m`;

async function send(
  { routes }: Replica,
  body: ArrayBuffer | string,
  { id = spx.id, type = TYPE, form = "parquet" as "csv" | "parquet", query = "" } = {},
) {
  const url = `http://localhost/api/market-data${pathOf(form, id)}${query}`;
  const answer = await routes(new Request(url, { method: "POST", body, headers: { "content-type": type } }));
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const exported = async ({ ask }: Replica, query = "", id = spx.id) =>
  (await ask(`${pathOf("parquet", id)}${query}`)).arrayBuffer();
const csvOf = async ({ ask }: Replica, id = spx.id) => (await ask(pathOf("csv", id))).text();
const stored = async () => (await at.database.db.sql`select n from market_data.candles order by n`).length;

const HEADER = "date,open,high,low,close,volume";
const line = (minute: number, open: string, low = "0.00000001") =>
  [new Date(minute * MINUTE_MS).toISOString(), open, "99999999999999999999", low, open, "3.25"].join();

/** Sends a file that is refused as a whole, and nothing of it is imported. */
async function refusalOf(replica: Replica, body: ArrayBuffer | string): Promise<unknown> {
  const refused = await send(replica, body);
  // What takes too much memory may have met a busy process.
  expect(refused.status).toBeOneOf([422, 503]);
  expect(await stored()).toBe(0);
  return refused.body["detail"];
}

const UNREADABLE = "The file cannot be taken: it is no Parquet file, or it is damaged.";

describe("candles as Parquet files", () => {
  test("are imported into another series as they were exported, to the last digit", async () => {
    at.venue.known = [spx, copy];
    const replica = await at.start();
    const lines = [
      // Within 18 digits, 38, and beyond.
      line(3, "10.1"),
      line(4, "0.12345678", "0.000000001234567891"),
      line(5, "98765432109876543210.98765432109876543210987654321", "0.00000000000000000000000000000000000000000001"),
    ].map((text) => text.replace(",99999999999999999999,", ",98765432109876543211,"));
    expect(await send(replica, [HEADER, ...lines].join("\n"), { form: "csv", type: "text/csv" })).toMatchObject({
      status: 200,
    });
    const file = await exported(replica);
    const { schema, num_rows: rows } = parquetMetadata(file);
    expect([
      rows,
      schema.map(({ name, precision, scale, converted_type: type }) => [name, type, precision, scale]),
    ]).toEqual([
      3n,
      [
        ["candles", undefined, undefined, undefined],
        ["date", "TIMESTAMP_MILLIS", undefined, undefined],
        ["open", "UTF8", undefined, undefined],
        ["high", "DECIMAL", 38, 0],
        ["low", "UTF8", undefined, undefined],
        ["close", "UTF8", undefined, undefined],
        ["volume", "DECIMAL", 18, 2],
        ["n", undefined, undefined, undefined],
      ],
    ]);
    expect(await send(replica, file, { id: copy.id })).toMatchObject({
      status: 200,
      body: { later: 3, firstN: 1, headN: 3 },
    });
    expect(await csvOf(replica, copy.id)).toBe(await csvOf(replica));
    // What was exported is kept already.
    expect(await send(replica, file)).toMatchObject({ body: { same: 3, later: 0, earlier: 0 } });
  });

  test("hold those that are asked for, in as many row groups as they need", async () => {
    at.venue.known = [spx, copy];
    const replica = await at.start();
    const price = (row: number) => `${10 + (row % 7)}.${row % 1_000}`;
    const open = Array.from({ length: 25_000 }, (_, row) => price(row));
    const high = open.map(() => "20");
    expect(await send(replica, fileOf(open.length, { open, close: open, high }))).toMatchObject({
      body: { later: 25_000 },
    });
    const file = await exported(replica);
    expect(parquetMetadata(file).row_groups.map(({ num_rows: rows }) => Number(rows))).toEqual([10_000, 10_000, 5_000]);
    expect(await send(replica, file, { id: copy.id })).toMatchObject({ body: { later: 25_000 } });
    expect(await csvOf(replica, copy.id)).toBe(await csvOf(replica));
    const part = parquetMetadata(await exported(replica, "&fromN=9000&toN=9001"));
    expect([part.num_rows, part.schema[2]]).toMatchObject([2n, { name: "open", precision: 18, scale: 3 }]);
    expect(parquetMetadata(await exported(replica, "&fromN=25001")).num_rows).toBe(0n);
  });

  test.each(["pandas", "polars", "duckdb"])("are read as %s writes them", async (name) => {
    const replica = await at.start();
    const file = await Bun.file(new URL(`samples/${name}.parquet`, import.meta.url)).arrayBuffer();
    expect(await send(replica, file)).toMatchObject({ status: 200, body: { later: 3 } });
    expect(await csvOf(replica)).toBe(
      [
        `${HEADER},n`,
        "1970-01-01T00:03:00.000Z,10.1,12.5,9.5,10,3,1",
        "1970-01-01T00:04:00.000Z,0.30000000000000004,12.5,0.25,11,0,2",
        "1970-01-01T00:06:00.000Z,0.0000001,12.5,0.0000001,12.25,1000,3",
        "",
      ].join("\n"),
    );
  });

  test("of which a row is bad are not imported at all, and each bad row is named, the first 50", async () => {
    const replica = await at.start();
    const date = [...Array(60).keys()].map((row) => new Date(row * MINUTE_MS + (row === 3 ? 1 : 0)));
    const open = date.map((_, row): number | null => (row === 1 ? null : row === 2 ? Number.NaN : row < 5 ? 10 : 13));
    const refused = await send(replica, fileOf(60, { date, open }));
    expect([refused.status, refused.body["detail"]]).toEqual([
      422,
      "58 rows of the file cannot be taken: nothing was imported.",
    ]);
    const errors = refused.body["errors"] as { field: string; message: string }[];
    expect([errors.length, errors.slice(0, 4)]).toEqual([
      50,
      [
        { field: "row 2", message: "there is no open" },
        { field: "row 3", message: "there is no open" },
        { field: "row 4", message: 'date "1970-01-01T00:03:00.001Z" is not where a 1m bar opens in UTC' },
        { field: "row 6", message: "open 13 is not between low 9.5 and high 12.5" },
      ],
    ]);
    expect(await stored()).toBe(0);
    // A row that is placed where none can be is named as well.
    expect(await send(replica, fileOf(3))).toMatchObject({ status: 200 });
    const other = await send(replica, fileOf(3, { close: ["10", "11", "10"] }));
    expect(other.body).toMatchObject({
      detail: "One row of the file cannot be taken: nothing was imported.",
      errors: [{ field: "row 2", message: "close 11 is 10 in candle 2, which is kept and stays" }],
    });
  });

  test("are so many at most, and have the columns of bars", async () => {
    const replica = await at.start();
    expect(await refusalOf(replica, fileOf(MOST_BARS + 1))).toBe(
      "The file cannot be taken: it holds more than 50000 bars, and has to be sent in parts.",
    );
    expect(await refusalOf(replica, fileOf(0))).toBe("The file cannot be taken: it holds no bars.");
    expect(await refusalOf(replica, fileOf(1, { open: [true], close: [{ a: 1 }] }))).toBe(
      'The file cannot be taken: its column "open" holds no numbers, times or texts that are taken.',
    );
    const foreign = { codec: "LZ4_RAW" as const, compressors: { LZ4_RAW: (bytes: Uint8Array) => bytes } };
    expect(await refusalOf(replica, fileOf(1, {}, foreign))).toBe(
      "The file cannot be taken: it is compressed with LZ4_RAW: write it with snappy, zstd, gzip, brotli or none.",
    );
    expect(await send(replica, fileOf(MOST_BARS))).toMatchObject({ body: { later: MOST_BARS } });
  });

  test("are no CSV and nothing else, and of a series that is known", async () => {
    const replica = await at.start();
    expect(await refusalOf(replica, [HEADER, line(3, "10")].join("\n"))).toBe(UNREADABLE);
    expect(await refusalOf(replica, "")).toBe(UNREADABLE);
    expect(await send(replica, fileOf(1), { type: "application/octet-stream" })).toMatchObject({ status: 422 });
    expect(await send(replica, fileOf(1), { query: "&more=1" })).toMatchObject({ status: 422 });
    expect(await send(replica, fileOf(1), { id: "NONE/USD.sim" })).toMatchObject({ status: 404 });
    expect((await replica.ask(pathOf("parquet"))).status).toBe(404);
  });
});

describe("a file that lies", () => {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
  test.each([
    [
      "that repeats an index a billion times",
      fileOfIndexes(new Uint8Array([1, ...varint(2 ** 31), 1])),
      /MB of memory|10 seconds/,
    ],
    [
      "whose indexes have no bits, and no end",
      fileOfIndexes(new Uint8Array([0, ...varint(2 ** 29 + 1), 0])),
      /10 seconds/,
    ],
    ["whose page is a gigabyte", fileOfIndexes(new Uint8Array(2 ** 30)), /damaged/],
    ["that nests without end", fileOfFooter(new Uint8Array(900_000).fill(0x1c)), /damaged/],
    [
      "with a list of two billion items",
      fileOfFooter(new Uint8Array([0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07])),
      /damaged/,
    ],
  ])(
    "%s is refused with a sentence in time, and others are answered meanwhile",
    async (_what, file, told) => {
      const replica = await at.start();
      const beforeBytes = memoryUsage.rss();
      const beganMs = performance.now();
      const refusal = refusalOf(replica, file);
      expect(await slowestMeanwhile(replica, refusal)).toBeLessThan(3_000);
      expect(await refusal).toMatch(told);
      expect(performance.now() - beganMs).toBeLessThan(20_000);
      expect(memoryUsage.rss() - beforeBytes).toBeLessThan(800_000_000);
      // The next one is read as ever.
      expect(await send(replica, fileOf(2))).toMatchObject({ status: 200, body: { later: 2 } });
    },
    30_000,
  );

  test("in any of its bytes, or that was cut, is taken or refused, and never a fault of ours", async () => {
    const replica = await at.start();
    const sound = new Uint8Array(fileOf(40));
    const random = randomFrom(7);
    const files = Array.from({ length: 45 }, (_, index) => {
      if (index % 3 === 0) return sound.slice(0, Math.floor(random() * sound.length));
      const file = sound.slice();
      // Half of them in the footer, which says where everything is.
      const from = index % 3 === 1 ? 0 : Math.floor(sound.length / 2);
      for (let flips = 0; flips < 3; flips += 1)
        file[from + Math.floor(random() * (sound.length - from))] = Math.floor(random() * 256);
      return file;
    });
    for (const file of files) {
      const { status, body } = await send(replica, file.buffer);
      expect([200, 422]).toContain(status);
      if (status === 422) expect(body["detail"]).toMatch(/^(The file|One row|\d+ rows of the file) .*\.$/);
    }
  }, 60_000);

  test("waits for its turn, and too many are asked to come again", async () => {
    const replica = await at.start();
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(replica, fileOf(2_000))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
    expect(await stored()).toBe(2_000);
  });
});
