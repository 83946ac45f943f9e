import { expect, test } from "bun:test";
import { cpuUsage } from "node:process";
import { readBarColumns, readBarRows } from "./bar-rows.ts";

const HEADER = "date,open,high,low,close,volume,more";
const read = (...lines: string[]) => readBarRows([HEADER, ...lines].join("\n"), { timeFrame: "1m" });

test("reads the bars of a file, in plain decimals, each with its line", () => {
  expect(read("2024-01-02T03:04:00Z,1.50,2,1,1.5,0,x", "", "1704164700000,1.5,1.5,1.5,1.5,7.0,y")).toEqual({
    rows: [
      {
        line: 2,
        openAtMs: 1_704_164_640_000,
        closeAtMs: 1_704_164_700_000,
        open: "1.5",
        high: "2",
        low: "1",
        close: "1.5",
        volume: "0",
      },
      {
        line: 4,
        openAtMs: 1_704_164_700_000,
        closeAtMs: 1_704_164_760_000,
        open: "1.5",
        high: "1.5",
        low: "1.5",
        close: "1.5",
        volume: "7",
      },
    ],
    faults: [],
  });
});

test("names each line that cannot be used, and goes on with the next", () => {
  const { rows, faults } = read(
    "2024-01-02T03:04:00Z,1,1,1,1,1,x",
    "2024-01-02T03:05:30Z,1,1,1,1,1,x",
    "2024-01-02T03:05:00Z,1,1",
    "2024-01-02T03:06:00Z,0,1,1,1,1,x",
    "2024-01-02T03:04:00Z,1,1,1,1,1,x",
    `${"z".repeat(500)},1,1,1,1,1,x`,
    "2024-01-02T03:07:00Z,1,1,1,1,-1,x",
    "2024-01-02T03:08:00Z,5,1,1,1,1,x",
    "2024-01-02T03:09:00Z,1,1,1,1,1,x",
    "1969-12-31T23:59:00Z,1,1,1,1,1,x",
  );
  expect(rows.map(({ line }) => line)).toEqual([2, 10]);
  expect(faults.map(({ line, message }) => `${line}: ${message}`)).toEqual([
    '3: date "2024-01-02T03:05:30Z" is not where a 1m bar opens in UTC',
    "4: it has another number of fields than the first line has columns",
    '5: open "0" must be above zero',
    "6: its time is not after the bar before it, which opened at 2024-01-02T03:04:00.000Z for a 1m",
    `7: date "${"z".repeat(60)}..." has to be like 2024-01-02, 2024-01-02T03:04:00Z or milliseconds since 1970`,
    '8: volume "-1" must not be below zero',
    "9: open 5 is not between low 1 and high 1",
    '11: date "1969-12-31T23:59:00Z" is before 1970',
  ]);
});

test("says what a file lacks that is none", () => {
  const faultsOf = (csv: string) => readBarRows(csv, { timeFrame: "1m" }).faults;
  expect(faultsOf("")).toEqual([{ line: null, message: "it holds no bars" }]);
  expect(faultsOf("date,open\n2024-01-02,1").map(({ line, message }) => [line, message])).toEqual(
    ["high", "low", "close", "volume"].map((name) => [1, `there is no column "${name}"`]),
  );
  expect(faultsOf(`${HEADER}\n"2024-01-02,1,1,1,1,1,x`)).toMatchObject([
    { message: "a quote is opened and never closed" },
  ]);
  expect(faultsOf(`${HEADER}\n"${"z".repeat(10_100)}`)).toMatchObject([
    { message: "it is longer than 10000 characters" },
  ]);
});

test("takes a file of so many bars, and none of one that holds more", () => {
  const file = [HEADER, "2024-01-02T03:04:00Z,1,1,1,1,1,x", "2024-01-02T03:05:00Z,1,1,1,1,1,x"].join("\n");
  expect(readBarRows(file, { timeFrame: "1m", most: 2 })).toMatchObject({ rows: [{}, {}], faults: [] });
  expect(readBarRows(file, { timeFrame: "1m", most: 1 })).toEqual({
    rows: [],
    faults: [{ line: null, message: "it holds more than 1 bars, and has to be sent in parts" }],
  });
});

test("ends at a line with more columns than a file of bars has, however many there are", () => {
  const line = "2023-01-01T00:00:00Z,1,2,0.5,1,1\n";
  const names = Array.from({ length: 1_500 }, (_, column) => `c${column}`).join();
  const refusalOf = (csv: string) => {
    const { user: beganUs } = cpuUsage();
    const { rows, faults } = readBarRows(csv, { timeFrame: "1m" });
    expect([rows, cpuUsage().user - beganUs < 500_000]).toEqual([[], true]);
    return faults;
  };
  const fault = (at: number) => [{ line: at, message: "it has more than 100 columns" }];
  expect(refusalOf(`${HEADER},${names}\n${line.repeat(20_000)}`)).toEqual(fault(1));
  expect(refusalOf(`${",".repeat(900_000)}\n${line}`)).toEqual(fault(1));
  expect(refusalOf(`${HEADER}\n${line}${",".repeat(900_000)}`)).toEqual(fault(3));
  const many = Array.from({ length: 93 }, (_, column) => `c${column}`).join();
  expect(readBarRows(`${HEADER},${many}\n${line}`, { timeFrame: "1m" }).faults).toMatchObject([{ line: 2 }]);
});

test("reads the columns of a table as the lines of a file, each row by its number", () => {
  const same = (text: string | null) => [text, text];
  const prices = { open: same("1"), high: same("1"), low: same("1"), close: ["1.0", null] };
  const columns = { date: ["2024-01-02", "2024-01-02T00:01:00.0001Z"], ...prices, volume: same("1") };
  const { rows, faults } = readBarColumns(columns, "1m");
  expect(rows).toMatchObject([{ line: 1, openAtMs: 1_704_153_600_000, close: "1", volume: "1" }]);
  expect(faults).toEqual([{ line: 2, message: 'date "2024-01-02T00:01:00.0001Z" is not where a 1m bar opens in UTC' }]);
  const later = { ...columns, date: ["2024-01-02", "2024-01-02T00:01:00Z"] };
  expect(readBarColumns(later, "1m").faults).toEqual([{ line: 2, message: "there is no close" }]);
  const none = { date: [], open: [], high: [], low: [], close: [], volume: [] };
  expect(readBarColumns(none, "1m").faults).toEqual([{ line: null, message: "it holds no bars" }]);
});
