import { expect } from "bun:test";
import { type FakeVenue, MINUTE_MS, type Replica } from "#services/market-data/market-data.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { type Backfill, backfillSchema } from "./contract.ts";

/** A new series begins with so few; the venue is asked twice in vain. */
export const FEW = { R3_MARKET_DATA_LEAST_HISTORY: "3", R3_MARKET_DATA_BACKFILL_TRIES: "2" };
/** The series of these tests. */
export const KEY = { instrumentId: spx.id, timeFrame: "1m" };

/** The venue lists the minutes [from, to). */
export function listMinutes(venue: FakeVenue, from: number, to: number): void {
  for (let minute = from; minute < to; minute += 1) venue.bar(minute, "10");
}

const read = async (answer: Response): Promise<Backfill> => {
  const body: unknown = await answer.json();
  if (!answer.ok) throw new Error(JSON.stringify(body));
  return backfillSchema.parse(body);
};
/** Asks for a back-fill of the series. */
export const ask = async ({ ask: send }: Replica, target: object): Promise<Backfill> =>
  await read(await send("/backfills", { ...KEY, ...target }));
/** Reads one. */
export const look = async ({ ask: send }: Replica, id: string): Promise<Backfill> =>
  await read(await send(`/backfills/${id}`));
/** Cancels or resumes one. */
export const act = async ({ ask: send }: Replica, id: string, action: "cancel" | "resume"): Promise<Backfill> =>
  await read(await send(`/backfills/${id}/${action}`, {}));
/** What a refused request is told. */
export const refusal = async (answer: Response) => {
  const { status, detail, errors = [] } = problemSchema.parse(await answer.json());
  return { status, detail, fields: errors.map(({ field, message }) => `${field} ${message}`) };
};

/** Waits until one is over. */
export async function over(replica: Replica, id: string): Promise<Backfill> {
  await until(async () => !["QUEUED", "RUNNING"].includes((await look(replica, id)).state));
  return await look(replica, id);
}

/** Every candle of the series: each once, by dense numbers, minute by minute. */
export async function minutesOf({ candles }: Replica): Promise<{ firstN: number; from: number; to: number }> {
  const all = await candles("fromN=-100000&limit=5000");
  const [first = expect.unreachable()] = all;
  const from = first.openAtMs / MINUTE_MS;
  expect(all.map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS])).toEqual(
    all.map((_, index) => [first.n + index, from + index]),
  );
  return { firstN: first.n, from, to: from + all.length };
}

/** Holds the venue's answer to the `which`-th question for earlier bars until it is let go. */
export function hold(venue: FakeVenue, which: number) {
  const told = venue.bars.bind(venue);
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let questions = 0;
  venue.bars = async (query) => {
    if (query.toMs !== undefined) questions += 1;
    if (query.toMs !== undefined && questions === which) {
      asked.resolve();
      await gate.promise;
    }
    return await told(query);
  };
  return { asked: asked.promise, release: () => gate.resolve(), questions: () => questions };
}
