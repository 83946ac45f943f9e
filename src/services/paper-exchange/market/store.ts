import { Database, SQLiteError } from "bun:sqlite";
import type {
  AccountEventRow,
  BalanceRow,
  Changes,
  CursorRow,
  LedgerEntry,
  LedgerState,
  TickRow,
  VenueFillRow,
  VenueOrderRow,
} from "#services/paper-exchange/ledger/ledger-types.ts";
import { type CandleRow, MOST_KEPT } from "#services/paper-exchange/prices/candles.ts";
import { timeFrameMs } from "#shared/domain/time-frame.ts";
import { AppError, fenced, messageOf } from "#shared/errors/app-error.ts";

/** Prices that are kept, and how often what is older goes. */
const MOST_TICKS = 200_000;
const TRIM_EVERY = 1_000;

const SCHEMA = `
create table if not exists meta (key text primary key, value text not null) strict;
create table if not exists cursor (
  id integer primary key check (id = 1), step integer not null, bar integer not null, points integer not null,
  lastTradeId integer not null, lastPrice text, nowMs integer not null) strict;
create table if not exists orders (
  id integer primary key, clientOrderId text not null, side text not null, type text not null, timeInForce text not null,
  price text not null, size text not null, filled text not null, quote text not null, status text not null, reason text,
  locked text not null, resting integer not null, terminalNumber integer, createdAtMs integer not null,
  updatedAtMs integer not null) strict;
create table if not exists fills (
  tradeId integer primary key, orderId integer not null, clientOrderId text not null, side text not null,
  price text not null, size text not null, quote text not null, fee text not null, feeAsset text not null,
  maker integer not null, atMs integer not null) strict;
create table if not exists balances (asset text primary key, free text not null, locked text not null) strict;
create table if not exists ledger (
  number integer primary key, asset text not null, delta text not null, reason text not null, tradeId integer,
  atMs integer not null) strict;
create table if not exists events (number integer primary key, atMs integer not null, type text not null, payload text not null) strict;
create table if not exists ticks (id integer primary key, price text not null, size text not null, atMs integer not null) strict;
create table if not exists candles (
  timeFrame text not null, openAtMs integer not null, open text not null, high text not null, low text not null,
  close text not null, volume text not null, quote text not null, trades integer not null, closed integer not null,
  primary key (timeFrame, openAtMs)) strict;
`;

/** The one file of a market. Every method is synchronous; what `write` was given is committed once it returns. */
export interface Store {
  /** Null: the market never began. */
  load(): LedgerState | null;
  /** One transaction. Throws FENCED when another process opened the file since: this one must not go on. SERVICE_UNAVAILABLE on a full disk. */
  write(changes: Changes, cursor: CursorRow): void;
  /** Prices a ticker market showed, from this id on. */
  ticks(fromId: number, limit: number): TickRow[];
  /** Bars of a synthetic market. */
  candles(): CandleRow[];
  close(): void;
}

/**
 * Opens (or makes) a market's file and takes it over from whoever had it. `identity` says what market it is: the file of
 * another one is refused with SETTINGS_INVALID.
 *
 * WAL with synchronous NORMAL: a commit is in the file before `write` returns and survives kill -9 of this process. Only a
 * power cut could take back the last commits of this simulation, and it is not worth a disk flush on each step.
 */
export function openStore(path: string, identity: string): Store {
  const db = openDatabase(path);
  const owner = crypto.randomUUID();
  const found = db.query<{ value: string }, []>("select value from meta where key = 'identity'").get();
  if (found !== null && found.value !== identity) {
    db.close();
    const sentence = "This file belongs to a market with other settings. Name another market id or folder.";
    throw new AppError("SETTINGS_INVALID", "permanent", sentence, { details: { path } });
  }
  const setMeta = db.query(
    "insert into meta (key, value) values ($key, $value) on conflict (key) do update set value = $value",
  );
  setMeta.run({ key: "identity", value: identity });
  setMeta.run({ key: "owner", value: owner });
  const readOwner = db.query<{ value: string }, []>("select value from meta where key = 'owner'");
  const write = writerOf(db);
  const ticks = db.query<TickRow, { fromId: number; limit: number }>(
    "select id, price, size, atMs from ticks where id >= $fromId order by id limit $limit",
  );
  const transaction = db.transaction((changes: Changes, cursor: CursorRow) => {
    if (readOwner.get()?.value !== owner) throw fenced(`paper-exchange file ${path}`);
    write(changes, cursor);
  });
  return {
    load: () => load(db),
    write(changes, cursor) {
      try {
        transaction.immediate(changes, cursor);
      } catch (error) {
        if (!(error instanceof SQLiteError)) throw error;
        const sentence = `The file of a simulated market cannot be written: ${error.message}.`;
        throw new AppError("SERVICE_UNAVAILABLE", "outage", sentence, { cause: error, details: { path } });
      }
    },
    ticks: (fromId, limit) => ticks.all({ fromId, limit }),
    candles: () =>
      db
        .query<CandleRow, []>("select * from candles order by openAtMs")
        .all()
        .map((row) => ({ ...row, closed: Boolean(row.closed) })),
    close: () => db.close(),
  };
}

function openDatabase(path: string): Database {
  try {
    const db = new Database(path, { create: true, strict: true });
    db.run("pragma busy_timeout = 2000");
    db.run("pragma journal_mode = wal");
    db.run("pragma synchronous = normal");
    db.run(SCHEMA);
    return db;
  } catch (error) {
    const sentence = `The file of a simulated market cannot be opened: ${messageOf(error)}.`;
    throw new AppError("SETTINGS_INVALID", "permanent", sentence, { cause: error, details: { path } });
  }
}

function load(db: Database): LedgerState | null {
  const cursor = db.query<CursorRow, []>("select step, bar, points, lastTradeId, lastPrice, nowMs from cursor").get();
  if (cursor === null) return null;
  const count = (table: "ledger" | "events") =>
    db.query<{ count: number }, []>(`select count(*) as count from ${table}`).get()?.count ?? 0;
  const orders = db.query<VenueOrderRow, []>("select * from orders order by id").all();
  const fills = db.query<VenueFillRow, []>("select * from fills order by tradeId").all();
  return {
    cursor,
    orders: orders.map((order) => ({ ...order, resting: Boolean(order.resting) })),
    fills: fills.map((fill) => ({ ...fill, maker: Boolean(fill.maker) })),
    balances: db.query<BalanceRow, []>("select asset, free, locked from balances order by asset").all(),
    entryCount: count("ledger"),
    eventCount: count("events"),
  };
}

function writerOf(db: Database): (changes: Changes, cursor: CursorRow) => void {
  const put = <Row>(verb: "insert" | "insert or replace", table: string, columns: (keyof Row & string)[]) => {
    const names = columns.join(", ");
    const values = columns.map((name) => `$${name}`).join(", ");
    const statement = db.query(`${verb} into ${table} (${names}) values (${values})`);
    return (row: Row) => {
      statement.run(Object.fromEntries(columns.map((name) => [name, row[name] as string | number | boolean | null])));
    };
  };
  const putOrder = put<VenueOrderRow>("insert or replace", "orders", [
    ...(["id", "clientOrderId", "side", "type", "timeInForce", "price", "size", "filled", "quote", "status"] as const),
    ...(["reason", "locked", "resting", "terminalNumber", "createdAtMs", "updatedAtMs"] as const),
  ]);
  const putFill = put<VenueFillRow>("insert", "fills", [
    ...(["tradeId", "orderId", "clientOrderId", "side", "price", "size", "quote", "fee", "feeAsset"] as const),
    ...(["maker", "atMs"] as const),
  ]);
  const putBalance = put<BalanceRow>("insert or replace", "balances", ["asset", "free", "locked"]);
  const putEntry = put<LedgerEntry>("insert", "ledger", ["number", "asset", "delta", "reason", "tradeId", "atMs"]);
  const putEvent = put<AccountEventRow>("insert", "events", ["number", "atMs", "type", "payload"]);
  const putTick = put<TickRow>("insert", "ticks", ["id", "price", "size", "atMs"]);
  const putCandle = put<CandleRow>("insert or replace", "candles", [
    ...(["timeFrame", "openAtMs", "open", "high", "low", "close", "volume", "quote", "trades", "closed"] as const),
  ]);
  const dropCandles = db.query("delete from candles where timeFrame = $timeFrame and openAtMs < $openAtMs");
  const dropTicks = db.query("delete from ticks where id <= $id");
  const putCursor = put<CursorRow & { id: 1 }>("insert or replace", "cursor", [
    ...(["id", "step", "bar", "points", "lastTradeId", "lastPrice", "nowMs"] as const),
  ]);
  // A file that lives in wall-clock time must not grow without end.
  const trim = ({ ticks, candles }: Changes): void => {
    for (const { id } of ticks) if (id % TRIM_EVERY === 0) dropTicks.run({ id: id - MOST_TICKS });
    for (const { timeFrame, openAtMs, closed } of candles) {
      if (!closed || (openAtMs / timeFrameMs(timeFrame)) % TRIM_EVERY !== 0) continue;
      dropCandles.run({ timeFrame, openAtMs: openAtMs - MOST_KEPT * timeFrameMs(timeFrame) });
    }
  };
  const forget = ["orders", "fills", "ticks"].map((table) => db.query(`delete from ${table}`));
  return (changes, cursor) => {
    if (changes.isAnew) for (const statement of forget) statement.run();
    for (const order of changes.orders) putOrder(order);
    for (const fill of changes.fills) putFill(fill);
    for (const balance of changes.balances) putBalance(balance);
    for (const entry of changes.entries) putEntry(entry);
    for (const event of changes.events) putEvent(event);
    for (const tick of changes.ticks) putTick(tick);
    for (const candle of changes.candles) putCandle(candle);
    trim(changes);
    putCursor({ ...cursor, id: 1 });
  };
}
