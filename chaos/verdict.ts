import { decimal, normalize, plain } from "#shared/domain/decimal.ts";

/** An execution, as one side has it. Amounts are plain decimal text. */
export interface Execution {
  tradeId: string;
  clientOrderId: string;
  side: string;
  price: string;
  size: string;
  fee: string;
  feeAsset: string;
}

/** A closed bar, as one side has it. */
export interface Bar {
  openAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}

/** Everything that one side says of a market and of our account there. */
export interface Account {
  executions: readonly Execution[];
  /** What changed of each asset since the beginning: the venue's balance less its first, or our ledgers less what was paid in. */
  changes: ReadonlyMap<string, string>;
  /** Closed bars, oldest first, in the span that the engine has followed. */
  bars: readonly Bar[];
}

/** The venue's side, with the orders behind the executions: several of one client order id are several executions of one intent. */
export interface Witness extends Account {
  /** Client order id of each order of ours at the venue that has executions, once an order. */
  executedOrders: readonly string[];
}

/** A sentence for each way in which the engine's books part from what the venue did. Empty: they agree to the last digit. */
export function violations(market: string, venue: Witness, engine: Account): string[] {
  return [
    ...twice(venue.executedOrders).map((id) => `the intent ${id} was executed twice at the venue`),
    ...unlike(
      "execution",
      keyed(venue.executions, ({ tradeId }) => tradeId),
      keyed(engine.executions, ({ tradeId }) => tradeId),
    ),
    ...twice(engine.executions.map(({ tradeId }) => tradeId)).map((id) => `the execution ${id} is booked twice`),
    ...unlike("balance change of", balances(venue.changes), balances(engine.changes)),
    ...unlike(
      "bar",
      keyed(venue.bars, ({ openAtMs }) => String(openAtMs)),
      keyed(engine.bars, ({ openAtMs }) => String(openAtMs)),
    ),
    ...twice(engine.bars.map(({ openAtMs }) => String(openAtMs))).map((at) => `the bar ${at} is stored twice`),
    ...turned(engine.bars),
  ].map((sentence) => `${market}: ${sentence}`);
}

function twice(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(ids.filter((id) => seen.size === seen.add(id).size))];
}

function keyed<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, string> {
  return new Map(items.map((item) => [key(item), JSON.stringify(plainly(item))]));
}

/** Decimal text in its one form, so that "1.50" equals "1.5". */
function plainly(item: unknown): unknown {
  return Object.fromEntries(
    Object.entries(item as Record<string, unknown>)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [
        name,
        typeof value === "string" && /^-?\d+\.\d+$/.test(value) ? normalize(value) : value,
      ]),
  );
}

function balances(changes: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(
    [...changes]
      .map(([asset, amount]) => [asset, plain(decimal(amount))] as const)
      .filter(([, amount]) => amount !== "0"),
  );
}

function unlike(what: string, venue: ReadonlyMap<string, string>, engine: ReadonlyMap<string, string>): string[] {
  const missing = [...venue].filter(([key]) => !engine.has(key)).map(([key]) => `the ${what} ${key} is missing here`);
  const strange = [...engine]
    .filter(([key]) => !venue.has(key))
    .map(([key]) => `the ${what} ${key} is not the venue's`);
  const other = [...venue]
    .filter(([key, value]) => engine.has(key) && engine.get(key) !== value)
    .map(([key, value]) => `the ${what} ${key} is ${engine.get(key)} here, and ${value} at the venue`);
  return [...missing, ...strange, ...other];
}

function turned(bars: readonly Bar[]): string[] {
  return bars
    .filter((bar, index) => index > 0 && bar.openAtMs <= (bars[index - 1]?.openAtMs ?? 0))
    .map(({ openAtMs }) => `the bar ${openAtMs} has a number above a later one's`);
}
