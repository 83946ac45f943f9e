import { expect, test } from "bun:test";
import pino from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { createBans } from "./bans.ts";

const log = pino({ level: "silent" });

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
