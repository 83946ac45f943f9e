import { describe, expect, test } from "bun:test";
import { murmur2, partitionOf } from "./murmur2.ts";

describe("murmur2", () => {
  // The vectors of Kafka's own UtilsTest.
  test.each([
    ["21", -973_932_308],
    ["foobar", -790_332_482],
    ["a-little-bit-long-string", -985_981_536],
    ["a-little-bit-longer-string", -1_486_304_829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971],
    ["abc", 479_470_107],
  ])("of %j is what Kafka's Java client computes", (text, hash) => {
    expect(murmur2(text)).toBe(hash);
  });

  test("gives partitions within their number, all of them used", () => {
    const used = new Set(Array.from({ length: 1_000 }, (_, index) => partitionOf(`session-${index}`, 8)));
    expect(used.size).toBe(8);
  });
});
