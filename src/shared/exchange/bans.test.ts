import { expect, test } from "bun:test";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { type BanStore, createBans } from "./bans.ts";

const log = pino({ level: "silent" });
const endMs = Date.now() + 60_000;

function storeOf(read: BanStore["read"]): BanStore & { written: string[] } {
  const written: string[] = [];
  return { written, read, write: async (address) => void written.push(address) };
}

test("a ban that another process was told of is known before a request that looks, and one told here at once", async () => {
  const store = storeOf(async () => [{ address: "a", untilMs: endMs }]);
  const bans = createBans({ store, clock: systemClock, log });
  expect(bans.untilMs("a")).toBeNull();
  expect(await bans.check("a")).toBe(endMs);
  bans.note("b", endMs);
  expect(bans.untilMs("b")).toBe(endMs);
  expect(store.written).toEqual(["b"]);
  bans.note("b", endMs - 1_000);
  expect(bans.untilMs("b")).toBe(endMs);
});

test("a store that does not answer, or fails, holds no request up for long", async () => {
  const silent = createBans({ store: storeOf(() => new Promise(() => {})), clock: systemClock, log });
  expect(await silent.check("a")).toBeNull();
  const broken = createBans({ store: storeOf(() => Promise.reject(new Error("away"))), clock: systemClock, log });
  expect(await broken.check("a")).toBeNull();
});

test("whoever asks while the bans of other processes are being read waits for them too", async () => {
  const untilMs = systemClock.nowMs() + 60_000;
  const asked = Promise.withResolvers<void>();
  const store = {
    read: async () => {
      await asked.promise;
      return [{ address: "venue", untilMs }];
    },
    write: async () => {},
  };
  const bans = createBans({ store, clock: systemClock, log });
  const both = Promise.all([bans.check("venue"), bans.check("venue")]);
  asked.resolve();
  expect(await both).toEqual([untilMs, untilMs]);
});

test("a ban whose end is garbled ends after the longest one that a venue gives", () => {
  const bans = createBans({ store: null, clock: systemClock, log });
  bans.note("a", 9_999_999_999_999);
  expect(bans.untilMs("a")).toBeLessThanOrEqual(Date.now() + 3 * 24 * 3_600_000);
});
