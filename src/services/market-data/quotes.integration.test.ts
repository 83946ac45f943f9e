import { expect, test } from "bun:test";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Quote } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, MARKET_QUOTES } from "#shared/messages/topics.ts";
import type { Replica } from "./market-data.fixture.ts";

const at = replicasOfEachTest();

const quoteOf = (instrumentId: string, bid: string, receivedAtMs: number): Quote => {
  return { instrumentId, bid, bidSize: "1", ask: "100", askSize: "2.5", receivedAtMs };
};

async function tell({ bus }: Replica, ...quotes: Quote[]): Promise<void> {
  await bus.publishVolatile(quotes.map((quote) => event(MARKET_QUOTES, quote.instrumentId, "market.quote", quote)));
}

async function told({ ask }: Replica, query = ""): Promise<Quote[]> {
  return ((await (await ask(`/quotes${query}`)).json()) as { items: Quote[] }).items;
}

test("every replica tells the newest quote of every instrument; an older one that comes late changes nothing", async () => {
  const replicas = [await at.start(), await at.start()];
  const [first = expect.unreachable()] = replicas;
  const newest = quoteOf(spx.id, "99.5", 20);
  const other = quoteOf("A/B.paper", "3", 5);
  await tell(first, quoteOf(spx.id, "98", 10), newest, quoteOf(spx.id, "97", 15), other);
  for (const replica of replicas) {
    await until(async () => (await told(replica)).length === 2);
    expect(await told(replica)).toEqual([other, newest]);
    expect(await told(replica, `?instrumentId=${encodeURIComponent(spx.id)}`)).toEqual([newest]);
    expect(await told(replica, "?instrumentId=C/D.paper")).toEqual([]);
  }
});

test("one that is not repeated is forgotten, and then an earlier stamp is taken: a clock may be set back", async () => {
  const replica = await at.start({ R3_MARKET_DATA_QUOTES_MS: "1000" });
  await tell(replica, quoteOf(spx.id, "99.5", 20));
  await until(async () => (await told(replica)).length === 1);
  await until(async () => (await told(replica)).length === 0);
  await tell(replica, quoteOf(spx.id, "98", 10));
  await until(async () => (await told(replica))[0]?.bid === "98");
});
