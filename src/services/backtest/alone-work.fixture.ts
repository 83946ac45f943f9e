import { spx } from "#shared/matching/spx.fixture.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { candleOf } from "#testing/alone-neighbours.fixture.ts";
import { itemsOf, json, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  async give({ neighbours }, url) {
    neighbours.candles.push(...["100", "110", "111"].map((close, index) => candleOf(index + 1, close)));
    const { strategy, params, timeFrame, capital, riskPolicy } = SESSION;
    const wanted = { strategy, params, timeFrame, capital, riskPolicy, instrumentId: spx.id };
    const { id } = await json(`${url}/api/backtest/runs`, wanted);
    const runUrl = `${url}/api/backtest/runs/${String(id)}`;
    const done = await eventually("the run over", async () => {
      const run = await json(runUrl);
      return (run["state"] === "DONE" || run["state"] === "FAILED") && run;
    });
    const orders = (await itemsOf(`${runUrl}/orders`)).map(({ side, averagePrice }) => ({ side, averagePrice }));
    return { state: done["state"], bars: done["bars"], orders };
  },
  comesTo: { state: "DONE", bars: 3, orders: [{ side: "BUY", averagePrice: "111" }] },
};
