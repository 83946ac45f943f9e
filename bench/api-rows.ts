import { createPool } from "#shared/db/postgres.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { Order } from "#shared/domain/order.ts";

export const INSTRUMENT = "BTC/USDT.bench";
const ORDERS = 1_000;
const CANDLES = 5_000;
const BEGAN_MS = Date.UTC(2026, 0, 1);

function orderOf(index: number): Order {
  const atMs = BEGAN_MS + index * 60_000;
  const id = `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
  return {
    id,
    clientOrderId: `bench-${index}`,
    sessionId: "00000000-0000-4000-8000-000000000000",
    number: index,
    signalId: id,
    signalOrders: 1,
    accountId: "bench",
    instrumentId: INSTRUMENT,
    side: index % 2 === 0 ? "BUY" : "SELL",
    style: { type: "MARKET" },
    size: "0.01",
    reduceOnly: false,
    marketAtMs: atMs,
    validUntilMs: null,
    receivedAtMs: atMs + 0.25,
    signalAtMs: atMs + 1.5,
    decidedAtMs: atMs + 6.75,
    state: "FILLED",
    stateReason: null,
    venueOrderId: String(index),
    filledSize: "0.01",
    averagePrice: "30000.01",
    fees: { USDT: "0.3000001" },
    filledAtMs: atMs,
    attempt: 1,
    signedAtMs: atMs,
    recvWindowMs: 5_000,
    submittedAtMs: atMs + 12.5,
    sentAtMs: atMs + 14.25,
    version: 4,
  };
}

function candleOf(n: number): Candle {
  const openAtMs = BEGAN_MS + n * 60_000;
  const price = (30_000.01 + (n % 100)).toFixed(2);
  return {
    instrumentId: INSTRUMENT,
    timeFrame: "1m",
    source: "bars",
    n,
    closed: true,
    openAtMs,
    closeAtMs: openAtMs + 60_000,
    open: price,
    high: "30200.5",
    low: "29999.99",
    close: price,
    volume: "12.34567",
    receivedAtMs: openAtMs + 60_001.25,
  };
}

const fromOne = <Row>(count: number, make: (index: number) => Row): Row[] =>
  Array.from({ length: count }, (_, index) => make(index + 1));

/** Puts orders and candles into an empty database of the engine. */
export async function fillDatabase(url: string): Promise<void> {
  const sql = createPool(url, { maxConnections: 1 });
  const orders = fromOne(ORDERS, orderOf);
  await sql`
    insert into order_position_tracker.orders (id, client_order_id, session_id, account_id, instrument_id, number, state,
      is_open, side, size, filled_size, filled_quote, version, data, created_at_ms, updated_at_ms)
    select data ->> 'id', data ->> 'clientOrderId', data ->> 'sessionId', data ->> 'accountId', data ->> 'instrumentId',
      (data ->> 'number')::int, data ->> 'state', false, data ->> 'side', (data ->> 'size')::numeric,
      (data ->> 'filledSize')::numeric, 300.0001, (data ->> 'version')::int, data, (data ->> 'marketAtMs')::bigint,
      (data ->> 'marketAtMs')::bigint
    from jsonb_array_elements(${sql.json(orders)}) as data`;
  await sql`
    insert into market_data.series (instrument_id, time_frame, source, forming, history, partition, head_n, head_open_at_ms,
      created_at_ms)
    values (${INSTRUMENT}, '1m', 'bars', false, ${CANDLES}, 0, ${CANDLES}, ${candleOf(CANDLES).openAtMs}, ${BEGAN_MS})`;
  const candles = fromOne(CANDLES, candleOf);
  await sql`
    insert into market_data.candles
    select ${INSTRUMENT}, '1m', n, "openAtMs", "closeAtMs", open, high, low, close, volume, "receivedAtMs"
    from jsonb_to_recordset(${sql.json(candles)}) as given(n int, "openAtMs" bigint, "closeAtMs" bigint, open numeric,
      high numeric, low numeric, close numeric, volume numeric, "receivedAtMs" float8)`;
  await sql`analyze order_position_tracker.orders`;
  await sql`analyze market_data.candles`;
  await sql.end();
}
