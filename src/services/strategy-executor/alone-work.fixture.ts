import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_CANDLES } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { candleOf } from "#testing/alone-neighbours.fixture.ts";
import { SIGNAL, sessionAlone, type Work } from "#testing/alone-work.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  before: sessionAlone,
  async give({ db, bus }) {
    const closes = ["100", "110"].map((close, index) => candleOf(index + 1, close));
    const signal = await eventually("a signal", async () => {
      await bus.publishVolatile(closes.map((candle) => event(MARKET_CANDLES, spx.id, "market.candle", candle)));
      const [row] = await db.sql`select payload -> 'signal' as signal from queue.tasks where queue = 'risk-manager'`;
      return row?.["signal"] as typeof SIGNAL | undefined;
    });
    return { intent: signal.intent, candleN: signal.candleN, marks: signal.marks };
  },
  comesTo: { intent: SIGNAL.intent, candleN: 2, marks: { [spx.id]: "110" } },
};
