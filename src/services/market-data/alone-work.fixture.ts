import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_BARS } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { barOf } from "#testing/alone-neighbours.fixture.ts";
import { itemsOf, json, type Work } from "#testing/alone-work.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  async give({ bus, neighbours }, url) {
    neighbours.bars.push(barOf(1, "100"), barOf(2, "110"));
    const series = { instrumentId: spx.id, timeFrame: "1d", source: "bars", history: 2 };
    await json(`${url}/api/market-data/series`, series);
    await bus.publishVolatile([event(MARKET_BARS, spx.id, "market.bar", barOf(3, "120"))]);
    const page = `${url}/api/market-data/candles?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1d`;
    const candles = await eventually("the third candle", async () => {
      const items = await itemsOf(page);
      return items.length > 2 && items;
    });
    return candles.map(({ n, close }) => ({ n, close }));
  },
  comesTo: ["100", "110", "120"].map((close, index) => ({ n: index + 1, close })),
};
