// An independent check of a demo that runs: it recomputes every order, fee and equity point from the CSV and docs/demo.md, imports
// nothing of the engine, and compares with the venue's own ledger and the engine's REST. Usage: check-demo.ts [bin/up's data folder]
import { deepStrictEqual } from "node:assert";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { Decimal } from "decimal.js";

Decimal.set({ precision: 100, rounding: Decimal.ROUND_DOWN, toExpNeg: -1000, toExpPos: 1000 });
type Row = Record<string, string>;
const root = `${import.meta.dir}/..`;
const { run, urls } = JSON.parse(readFileSync(`${process.argv[2] ?? `${root}/.data`}/places.json`, "utf8"));
const csv = readFileSync(`${root}/node_modules/vega-datasets/data/sp500-2000.csv`, "utf8");
const bars: { date: string; open: string; close: string }[] = parse(csv, { columns: true, to: run.bars });
const closes = bars.map(({ close }) => Number(close));
const average = (index: number, length: number): number =>
  closes.slice(index - length + 1, index + 1).reduce((sum, close) => sum + close, 0) / length;

// One text an order: number, side, type, size, filled, average price, fee, its asset, market time of the fill.
const [orders, equity]: [string[], string[]] = [[], []];
let [usd, spx] = [new Decimal(10_000), new Decimal(0)];
let open: { side: string; size: Decimal } | null = null;
for (const [index, bar] of bars.entries()) {
  const openAtMs = Date.parse(`${bar.date}T00:00:00Z`);
  if (open !== null) {
    const { side, size } = open;
    const [buys, quote] = [side === "BUY", size.times(bar.open)];
    const fee = (buys ? size : quote).times("0.001").toDecimalPlaces(8);
    spx = buys ? spx.plus(size).minus(fee) : spx.minus(size);
    usd = buys ? usd.minus(quote) : usd.plus(quote).minus(fee);
    const fill = [size, new Decimal(bar.open), fee].map((value) => value.toFixed()).join(" ");
    orders.push(`${orders.length + 1} ${side} MARKET ${size.toFixed()} ${fill} ${buys ? "SPX" : "USD"} ${openAtMs}`);
    open = null;
  }
  const worth = usd.plus(spx.times(bar.close));
  equity.push(`${openAtMs + 86_400_000} ${worth.toFixed()}`);
  const long = spx.gte("0.0001") && spx.times(bar.close).gte(10);
  if (index < 29 || average(index, 10) > average(index, 30) === long) continue;
  const size = (long ? spx : worth.times("0.95").div(new Decimal(bar.close).times("1.001"))).toDecimalPlaces(4);
  if (size.times(bar.close).gte(10)) open = { side: long ? "SELL" : "BUY", size };
}
if (open !== null) orders.push(`${orders.length + 1} ${open.side} MARKET ${open.size.toFixed()} 0 - - - -`);

const get = async <T>(url: string, headers = {}): Promise<T> => (await (await fetch(url, { headers })).json()) as T;
async function pages<Item>(path: string): Promise<Item[]> {
  const items: Item[] = [];
  const base = `${urls["order-position-tracker"]}/api/order-position-tracker/${path}?sessionId=${run.sessionId}&limit=1000`;
  for (let at: string | null = ""; at !== null; ) {
    const page: { items: Item[]; nextCursor: string | null } = await get(`${base}${at && `&cursor=${at}`}`);
    items.push(...page.items);
    at = page.nextCursor && encodeURIComponent(page.nextCursor);
  }
  return items;
}
const ledger = (path: string): Promise<Row[]> => {
  const query = `symbol=SPXUSD&limit=1000&timestamp=${Date.now()}`;
  const signature = createHmac("sha256", run.secret).update(query).digest("hex");
  const url = `${urls["paper-exchange"]}/api/paper-exchange/markets/${run.id}/api/v3/${path}`;
  return get(`${url}?${query}&signature=${signature}`, { "X-MBX-APIKEY": run.apiKey });
};
const plain = (text = ""): string => new Decimal(text).toFixed();
const trades = await ledger("myTrades");
const booked = (await ledger("allOrders")).map((order) => {
  const trade = trades.find(({ orderId }) => orderId === order["orderId"]);
  const fill =
    trade && `${plain(trade["price"])} ${plain(trade["commission"])} ${trade["commissionAsset"]} ${trade["time"]}`;
  const sizes = `${plain(order["origQty"])} ${plain(order["executedQty"])}`;
  return `${order["clientOrderId"]?.split("-").at(-1)} ${order["side"]} ${order["type"]} ${sizes} ${fill ?? "- - - -"}`;
});
const engine = (await pages<Row & { style: Row; fees: Row }>("orders")).map((order) => {
  const [asset = "-", fee = "-"] = Object.entries(order.fees)[0] ?? [];
  const fill = `${order["averagePrice"] ?? "-"} ${fee} ${asset} ${order["filledAtMs"] ?? "-"}`;
  return `${order["number"]} ${order["side"]} ${order.style["type"]} ${order["size"]} ${order["filledSize"]} ${fill}`;
});
const points = (await pages<Row>("equity")).map((point) => `${point["closeAtMs"]} ${point["equity"]}`);
const byNumber = (a: string, b: string): number => Number.parseInt(a, 10) - Number.parseInt(b, 10);
deepStrictEqual(booked.toSorted(byNumber), orders, "the venue's ledger is another one");
deepStrictEqual(engine.toSorted(byNumber), orders, "the engine's orders are others");
deepStrictEqual(points, equity, "the engine's equity is another one");
process.stdout.write(`${orders.length} orders, ${trades.length} fills, ${equity.length} equity points agree.\n`);
