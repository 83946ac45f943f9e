import { expect, test } from "bun:test";
import fc from "fast-check";
import { createMemoryCache } from "#shared/cache/memory.ts";
import { sealCache } from "#shared/cache/sealed.ts";
import { createSeal } from "./seal.ts";

const seal = createSeal(new Uint8Array(32).fill(1));

test("a sealed text is opened at its place and with its key alone, and not once a character is another one", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: "binary" }), fc.nat(), (place, text, at) => {
      const sealed = seal.seal(place, text);
      expect(seal.open(place, sealed)).toBe(text);
      expect(seal.open(`${place} `, sealed)).toBeNull();
      expect(createSeal(new Uint8Array(32).fill(2)).open(place, sealed)).toBeNull();
      const index = at % sealed.length;
      const other = sealed[index] === "A" ? "B" : "A";
      expect(seal.open(place, `${sealed.slice(0, index)}${other}${sealed.slice(index + 1)}`)).toBeNull();
    }),
  );
});

test("place and text cannot be shifted into each other", () => {
  expect(seal.open("a", seal.seal("ab", "c"))).toBeNull();
  expect(seal.open("a", `${seal.seal("ab", "c").slice(0, 22)}bc`)).toBeNull();
});

test.each(["", "short", "é".repeat(30)])("%p is not sealed", (text) => {
  expect(seal.open("", text)).toBeNull();
});

test("what another one wrote into the cache is not there", async () => {
  const cache = createMemoryCache();
  const sealed = sealCache(cache, seal);
  await sealed.set("page", "true", 60_000);
  expect(await sealed.get("page")).toBe("true");
  await cache.set("page", "a forged page of candles, of any length", 60_000);
  expect(await sealed.get("page")).toBeNull();
});
