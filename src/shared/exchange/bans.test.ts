import { expect, test } from "bun:test";
import { pino } from "pino";
import { createManualClock } from "#shared/clock/manual.ts";
import { type BanStore, createBans } from "./bans.ts";

const log = pino({ level: "silent" });
const NOW_MS = 1_700_000_000_000;
const END_MS = NOW_MS + 60_000;

function storeOf(read: BanStore["read"]): BanStore & { written: string[] } {
  const written: string[] = [];
  return { written, read, write: async (address) => void written.push(address) };
}

function bansOver(store: BanStore | null) {
  const clock = createManualClock(NOW_MS);
  return { clock, bans: createBans({ store, clock, log }) };
}

test("a ban that another process was told of is known before a request that looks, and one told here at once", async () => {
  const store = storeOf(async () => [{ address: "a", untilMs: END_MS }]);
  const { bans } = bansOver(store);
  expect(bans.untilMs("a")).toBeNull();
  expect(await bans.check("a")).toBe(END_MS);
  bans.note("b", END_MS);
  expect(bans.untilMs("b")).toBe(END_MS);
  expect(store.written).toEqual(["b"]);
  bans.note("b", END_MS - 1_000);
  expect(bans.untilMs("b")).toBe(END_MS);
});

test("a store that does not answer holds a request up for half a second, and one that fails for nothing", async () => {
  const { bans: silent, clock } = bansOver(storeOf(() => new Promise(() => {})));
  let known: number | null | "not known" = "not known";
  const asked = silent.check("a").then((untilMs) => {
    known = untilMs;
  });
  await clock.advance(499);
  expect(known).toBe("not known" as never);
  await clock.advance(1);
  await asked;
  expect(known).toBeNull();
  const { bans: broken } = bansOver(storeOf(() => Promise.reject(new Error("away"))));
  expect(await broken.check("a")).toBeNull();
});

test("whoever asks while the bans of other processes are being read waits for them too", async () => {
  const asked = Promise.withResolvers<void>();
  const store = {
    read: async () => {
      await asked.promise;
      return [{ address: "venue", untilMs: END_MS }];
    },
    write: async () => {},
  };
  const { bans } = bansOver(store);
  const both = Promise.all([bans.check("venue"), bans.check("venue")]);
  asked.resolve();
  expect(await both).toEqual([END_MS, END_MS]);
});

test("a ban whose end is garbled ends after the longest one that a venue gives", () => {
  const { bans } = bansOver(null);
  bans.note("a", 9_999_999_999_999);
  expect(bans.untilMs("a")).toBe(NOW_MS + 3 * 24 * 3_600_000);
});
