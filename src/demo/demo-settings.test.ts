import { expect, test } from "bun:test";
import { demoMarket, engineSettings, type ServiceUrls } from "./demo-settings.ts";

const urls = new Proxy({} as ServiceUrls, { get: () => "http://127.0.0.1:7300" });

function settingsWith(given: Record<string, string>) {
  const run = {
    id: "demo1",
    apiKey: "k",
    secret: "s",
    bars: 30,
    sessionKey: "1",
    backtestKey: "2",
    sessionId: null,
    done: false,
  };
  return engineSettings({
    given,
    markets: [demoMarket(run)],
    urls,
    databaseUrl: "",
    redisUrl: "",
    prefix: "r3",
    dataFolder: "/data",
    failpoints: [],
  });
}

test("own venues, accounts and markets stand beside the demo's", () => {
  const settings = settingsWith({
    R3_VENUES: '[{"id":"binance","connector":"binance"}]',
    R3_ACCOUNTS: '[{"id":"main","venue":"binance","apiKey":"a","secret":"b"}]',
  });
  const idsOf = (name: string) => (JSON.parse(settings[name] ?? "") as { id: string }[]).map(({ id }) => id);
  expect(idsOf("R3_VENUES")).toEqual(["paper", "binance"]);
  expect(idsOf("R3_ACCOUNTS")).toEqual(["demo1", "main"]);
  expect(idsOf("R3_PAPER_EXCHANGE_MARKETS")).toEqual(["demo1"]);
  expect(JSON.parse(settings["R3_VENUES"] ?? "")[1]).toEqual({ id: "binance", connector: "binance" });
});

test("a name of the demo's own is refused, in one line", () => {
  expect(() => settingsWith({ R3_VENUES: '[{"id":"paper","connector":"binance"}]' })).toThrow(
    'R3_VENUES: "paper" is the demo\'s own; choose another id',
  );
});
