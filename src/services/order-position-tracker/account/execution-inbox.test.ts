import { expect, test } from "bun:test";
import { pino } from "pino";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { RecordedAnswers } from "#services/order-position-tracker/record/recorded-answers.ts";
import { systemClock } from "#shared/clock/system.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { AccountEvent } from "#shared/exchange/exchange.ts";
import { ExecutionInbox } from "./execution-inbox.ts";
import { createWakeUp } from "./wake-up.ts";

test("what can not be booked is left out only once its instrument was asked for, not while the database is away", async () => {
  const stopping = new AbortController();
  const leftOut = Promise.withResolvers<void>();
  let asked = 0;
  let askedBefore = 0;
  const context = {
    deps: {
      clock: systemClock,
      log: pino({ level: "silent" }),
      exchanges: { account: () => ({ venue: "v" }) },
      // Its first transaction is the one that leaves it out: booking fails before its own.
      db: {
        transaction: async () => {
          askedBefore = asked;
          leftOut.resolve();
        },
      },
    },
    answers: new RecordedAnswers(),
    recorder: { prepare: () => Promise.reject(new TypeError("its content")) },
    instruments: {
      bySymbol: () => {
        asked += 1;
        const away = new AppError("DATABASE_UNAVAILABLE", "outage", "It is away.");
        return asked === 1 ? Promise.reject(away) : Promise.reject(new TypeError("its row"));
      },
    },
  };
  // The inbox uses nothing else of its context.
  const inbox = new ExecutionInbox(
    context as unknown as TrackerContext,
    { accountId: "a", signal: stopping.signal, fence: async () => undefined, onLeftOut: () => undefined },
    createWakeUp(systemClock, stopping.signal),
  );
  const booking = inbox.book();
  inbox.put({ order: { clientOrderId: "c", venueOrderId: "1", venueSymbol: "S" } } as AccountEvent);
  await leftOut.promise;
  expect(askedBefore).toBe(2);
  stopping.abort();
  await booking;
});
