import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_BARS } from "#shared/messages/topics.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { barOf } from "#testing/alone-neighbours.fixture.ts";
import { itemsOf, json, type Work } from "#testing/alone-work.fixture.ts";
import { closedOf, follow } from "./stream/stream.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  async give({ bus, neighbours }, url) {
    neighbours.bars.push(barOf(1, "100"), barOf(2, "110"));
    const series = { instrumentId: spx.id, timeFrame: "1d", source: "bars", history: 2 };
    await json(`${url}/api/market-data/series`, series);
    const follower = await follow(url);
    const channel = { channel: "candles", instrumentId: spx.id, timeFrame: "1d" };
    await follower.ask({ op: "subscribe", ...channel }, "snapshot");
    await bus.publishVolatile([event(MARKET_BARS, spx.id, "market.bar", barOf(3, "120"))]);
    const page = `${url}/api/market-data/candles?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1d`;
    const candles = await eventually("the third candle", async () => {
      const items = await itemsOf(page);
      return items.length > 2 && items;
    });
    const streamed = await eventually("the third candle on the stream", async () => {
      const closed = closedOf(follower.heard);
      return closed.length > 1 && closed;
    });
    follower.close();
    const shortOf = ({ n, close }: { n?: unknown; close?: unknown }) => ({ n, close });
    return { stored: candles.map(shortOf), streamed: streamed.map(shortOf) };
  },
  comesTo: {
    stored: ["100", "110", "120"].map((close, index) => ({ n: index + 1, close })),
    streamed: ["110", "120"].map((close, index) => ({ n: index + 2, close })),
  },
};
