import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isQuiet, isTimeZone, nextAt, readable } from "./local-time.ts";

const at = (text: string) => Date.parse(text);
const HOUR_MS = 3_600_000;

describe("local time", () => {
  test.each([
    ["UTC", true],
    ["Europe/Berlin", true],
    ["America/Argentina/Ushuaia", true],
    ["Europe/Nowhere", false],
    ["+02:00", false],
    ["", false],
  ])("%p is a time zone: %p", (name, expected) => {
    expect(isTimeZone(name)).toBe(expected);
  });

  test.each([
    ["08:00", "UTC", "2026-01-01T07:59:59Z", "2026-01-01T08:00:00Z"],
    ["08:00", "UTC", "2026-01-01T08:00:00Z", "2026-01-02T08:00:00Z"],
    ["08:00", "Europe/Berlin", "2026-01-01T12:00:00Z", "2026-01-02T07:00:00Z"],
    // Clocks go forward in the night before, and back.
    ["08:00", "Europe/Berlin", "2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z"],
    ["08:00", "Europe/Berlin", "2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z"],
    // The day leaves it out: as clocks would have shown it, had they gone on.
    ["02:30", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T07:30:00Z"],
    ["02:30", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:30:00Z"],
    ["02:15", "Australia/Lord_Howe", "2026-10-03T13:30:00Z", "2026-10-03T15:45:00Z"],
    ["00:30", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T18:45:00Z"],
    ["00:30", "Pacific/Kiritimati", "2026-01-01T00:00:00Z", "2026-01-01T10:30:00Z"],
  ])("the next %s in %s after %s is %s", (time, zone, after, expected) => {
    expect(new Date(nextAt(time, zone, at(after))).toISOString()).toBe(new Date(expected).toISOString());
  });

  test("there is a next time within two days of any instant, later than it, and clocks show it, or a later one where a day leaves it out", () => {
    const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata");
    const instants = fc.integer({ min: at("2025-01-01T00:00:00Z"), max: at("2027-12-31T00:00:00Z") });
    fc.assert(
      fc.property(zones, instants, fc.nat({ max: 1_439 }), (zone, instant, minute) => {
        const time = `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
        const next = nextAt(time, zone, instant);
        expect(next).toBeGreaterThan(instant);
        expect(next - instant).toBeLessThanOrEqual(26 * HOUR_MS);
        const shown = readable(next, zone).slice(11, 16);
        const lateBy = Number(shown.slice(0, 2)) * 60 + Number(shown.slice(3)) - minute;
        expect([0, 30, 60]).toContain(lateBy);
      }),
    );
  });

  test.each([
    ["22:00", "07:00", "2026-01-01T21:00:00Z", true],
    ["22:00", "07:00", "2026-01-01T20:59:00Z", false],
    ["22:00", "07:00", "2026-01-02T05:59:59Z", true],
    ["22:00", "07:00", "2026-01-02T06:00:00Z", false],
    ["12:00", "13:00", "2026-01-01T11:00:00Z", true],
    ["12:00", "13:00", "2026-01-01T12:00:00Z", false],
  ])("from %s to %s in Berlin it is quiet at %s: %p", (from, to, instant, expected) => {
    expect(isQuiet({ from, to }, "Europe/Berlin", at(instant))).toBe(expected);
  });

  test("is written with its zone", () => {
    expect(readable(at("2026-07-01T22:05:59Z"), "Europe/Berlin")).toBe("2026-07-02 00:05 Europe/Berlin");
  });
});
