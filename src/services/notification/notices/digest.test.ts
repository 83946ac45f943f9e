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

describe("what was held back, in one message", () => {
  test("one alone is told as it is", () => expect(digestOf([notice(1)], 1, "UTC")).toEqual(notice(1)));

  test("several have a line each, in their order, with the greatest severity", () => {
    expect(digestOf([notice(1), notice(2, "warning"), notice(3)], 3, "Europe/Berlin")).toEqual({
      kind: "digest",
      severity: "warning",
      title: "3 messages since 2026-01-01 13:00 Europe/Berlin",
      text: "- Title 1\n- Title 2\n- Title 3",
      atMs: notice(3).atMs,
      data: { count: 3 },
    });
  });

  test("those that are only counted, and those without room, are told as a number", () => {
    expect(digestOf([notice(1), notice(2)], 9, "UTC").text).toBe("- Title 1\n- Title 2\nand 7 more");
    const long = Array.from({ length: 50 }, (_, n) => ({ ...notice(n), title: "x".repeat(200) }));
    const { text } = digestOf(long, 60, "UTC");
    const lines = text.split("\n");
    expect(text.length).toBeLessThan(1_650);
    expect(lines.at(-1)).toBe(`and ${60 - (lines.length - 1)} more`);
  });
});
