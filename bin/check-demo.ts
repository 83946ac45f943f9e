// An independent check of a demo that runs: it recomputes every order, fee and equity point from the CSV and docs/demo.md, imports
// nothing of the engine, and compares with the venue's own ledger and the engine's REST.
import { resolve } from "node:path";
import { Command } from "commander";
import { parse } from "csv-parse/sync";
import { Decimal } from "decimal.js";
import { ROOT } from "#local/root.ts";

Decimal.set({ precision: 100, rounding: Decimal.ROUND_DOWN, toExpNeg: -1000, toExpPos: 1000 });
type Row = Record<string, string>;
const program = new Command("check-demo")
  .description("Computes the demo that bin/up has played once more, from its prices alone, and compares.")
  .argument("[folder]", "bin/up's data folder", `${ROOT}/.data`)
  .parse();
const folder = resolve(program.processedArgs[0] as string);
const fail = (why: string): never => (process.stderr.write(`${why}\n`), process.exit(1));
async function get(url: string, headers = {}) {
  const answer = await fetch(url, { headers }).catch(() => null);
  const text = answer?.ok === true ? await answer.text().catch(() => null) : null;
  return text === null ? fail(`No demo runs on ${folder}: start bin/up first.`) : JSON.parse(text);
}
const { run, urls } = await get(`file://${folder}/places.json`);
await get(`${urls["session-manager"]}/livez`);
if (!(await get(`file://${folder}/progress.json`)).done) fail("The demo is still playing: check when it has ended.");
const csv = await Bun.file(`${ROOT}/node_modules/vega-datasets/data/sp500-2000.csv`).text();
const bars: { date: string; open: string; close: string }[] = parse(csv, { columns: true, to: run.bars });
const average = (index: number, length: number): number =>
  bars.slice(index - length + 1, index + 1).reduce((sum, { close }) => sum + Number(close), 0) / length;
const isAbove = (fast: number, slow: number): boolean => fast - slow > 1e-12 * Math.max(Math.abs(fast), Math.abs(slow));

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
  if (index < 29 || isAbove(average(index, 10), average(index, 30)) === long) continue;
  const size = (long ? spx : worth.times("0.95").div(new Decimal(bar.close).times("1.001"))).toDecimalPlaces(4);
  if (size.times(bar.close).gte(10)) open = { side: long ? "SELL" : "BUY", size };
}
if (open !== null) orders.push(`${orders.length + 1} ${open.side} MARKET ${open.size.toFixed()} 0 - - - -`);
async function pages<Item>(path: string, from = ""): Promise<Item[]> {
  const url = `${urls["order-position-tracker"]}/api/order-position-tracker/${path}?sessionId=${run.sessionId}&limit=1000`;
  const { items, nextCursor: at }: { items: Item[]; nextCursor: string | null } = await get(`${url}${from}`);
  return at === null ? items : items.concat(await pages<Item>(path, `&cursor=${encodeURIComponent(at)}`));
}
const ledger = (path: string): Promise<Row[]> => {
  const query = `symbol=SPXUSD&limit=1000&timestamp=${Date.now()}`;
  const signature = new Bun.CryptoHasher("sha256", run.secret).update(query).digest("hex");
  const url = `${urls["paper-exchange"]}/api/paper-exchange/markets/${run.id}/api/v3/${path}`;
  return get(`${url}?${query}&signature=${signature}`, { "X-MBX-APIKEY": run.apiKey });
};
const plain = (text = ""): string => new Decimal(text).toFixed();
const trades = await ledger("myTrades");
const booked = (await ledger("allOrders")).map((order) => {
  const { price, commission, commissionAsset, time } = trades.find((it) => it["orderId"] === order["orderId"]) ?? {};
  const fill = price ? `${plain(price)} ${plain(commission)} ${commissionAsset} ${time}` : "- - - -";
  const sizes = `${plain(order["origQty"])} ${plain(order["executedQty"])}`;
  return `${order["clientOrderId"]?.split("-").at(-1)} ${order["side"]} ${order["type"]} ${sizes} ${fill}`;
});
const engine = (await pages<Row & { style: Row; fees: Row }>("orders")).map((order) => {
  const [asset = "-", fee = "-"] = Object.entries(order.fees)[0] ?? [];
  const fill = `${order["averagePrice"] ?? "-"} ${fee} ${asset} ${order["filledAtMs"] ?? "-"}`;
  return `${order["number"]} ${order["side"]} ${order.style["type"]} ${order["size"]} ${order["filledSize"]} ${fill}`;
});
const points = (await pages<Row>("equity")).map((point) => `${point["closeAtMs"]} ${point["equity"]}`);
function same(what: string, found: string[], right: string[]): void {
  const at = [...right, "none"].findIndex((text, index) => text !== (found[index] ?? "none"));
  if (at >= 0) fail(`${what} ${at + 1} is "${found[at] ?? "none"}"; it has to be "${right[at] ?? "none"}".`);
}
const byNumber = (a: string, b: string): number => Number.parseInt(a, 10) - Number.parseInt(b, 10);
same("The venue's order", booked.toSorted(byNumber), orders);
same("The engine's order", engine.toSorted(byNumber), orders);
same("The engine's equity point", points, equity);
process.stdout.write(`${orders.length} orders, ${trades.length} fills, ${equity.length} equity points agree.\n`);
