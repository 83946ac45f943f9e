import { describe, expect, test } from "bun:test";
import type { MessageContent } from "./content.ts";
import { digestOf } from "./digest.ts";

const notice = (n: number, severity: MessageContent["severity"] = "info"): MessageContent => ({
  kind: "alert",
  severity,
  title: `Title ${n}`,
  text: `Text ${n}`,
  atMs: Date.parse("2026-01-01T12:00:00Z") + n,
  data: { n },
});

const NOW = notice(99).atMs;
const of = (held: MessageContent[], count: number, { critical = 0, timeZone = "UTC" } = {}) =>
  digestOf(held, { count, critical, timeZone, nowMs: NOW });

describe("what was held back, in one message", () => {
  test("one alone is told as it is", () => expect(of([notice(1)], 1)).toEqual(notice(1)));

  test("several have a line each, in their order, with the greatest severity", () => {
    expect(of([notice(1), notice(2, "warning"), notice(3)], 3, { timeZone: "Europe/Berlin" })).toEqual({
      kind: "digest",
      severity: "warning",
      title: "3 messages since 2026-01-01 13:00 Europe/Berlin",
      text: "- Title 1\n- Title 2\n- Title 3",
      atMs: notice(3).atMs,
      data: { count: 3, critical: 0 },
    });
  });

  test("those that are only counted, and those without room, are told as a number", () => {
    expect(of([notice(1), notice(2)], 9).text).toBe("- Title 1\n- Title 2\nand 7 more");
    const long = Array.from({ length: 50 }, (_, n) => ({ ...notice(n), title: "x".repeat(200) }));
    const { text } = of(long, 60);
    const lines = text.split("\n");
    expect(text.length).toBeLessThan(1_650);
    expect(lines.at(-1)).toBe(`and ${60 - (lines.length - 1)} more`);
  });

  test("what cannot be read any more is told as a number", () => {
    expect(of([], 1, { critical: 1 })).toEqual({
      kind: "digest",
      severity: "critical",
      title: "1 message since 2026-01-01 12:00 UTC",
      text: "and 1 more, 1 of them critical",
      atMs: NOW,
      data: { count: 1, critical: 1 },
    });
  });

  test("what is critical is named first; of what is not named it is said how many are", () => {
    const mixed = [notice(1), notice(2, "critical"), notice(3, "warning"), notice(4, "critical")];
    const told = of(mixed, 10, { critical: 5 });
    expect(told.text).toBe("- Title 2\n- Title 4\n- Title 1\n- Title 3\nand 6 more, 3 of them critical");
    expect(told).toMatchObject({ severity: "critical", atMs: notice(4).atMs, data: { count: 10, critical: 5 } });
    const long = Array.from({ length: 50 }, (_, n) => ({ ...notice(n, "critical"), title: "x".repeat(200) }));
    const lines = of(long, 50, { critical: 50 }).text.split("\n");
    const more = 50 - (lines.length - 1);
    expect(lines.at(-1)).toBe(`and ${more} more, ${more} of them critical`);
  });
});
