import type { Candle } from "#shared/domain/candle.ts";
import type { MarketDataClient, SeriesHead } from "#shared/http/clients.ts";
import type { RunRequest } from "./contract.ts";

const DAY_MS = 86_400_000;

/** Which candles a run reads, by number, and why it begins and ends there. */
export interface ChosenBars {
  firstN: number;
  /** Below `firstN`: there are none. */
  lastN: number;
  whyFirst: string;
  whyLast: string;
  /** What is told where there are none. */
  nothing(): Promise<string>;
}

interface Bound {
  n: number;
  why: string;
}

/** What of a request says which candles it takes. */
type Range = Pick<RunRequest, "instrumentId" | "timeFrame" | "from" | "fromN" | "to" | "toN">;
type Ask = (fromMs: number) => Promise<Candle | null>;

/** The day of UTC of a point in time. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Finds the first and the last candle of a request in a series as it is kept. */
export async function chooseBars(
  marketData: Pick<MarketDataClient, "candles">,
  request: Range,
  head: SeriesHead,
): Promise<ChosenBars> {
  const { instrumentId, timeFrame } = request;
  const firstFrom: Ask = async (fromMs) =>
    (await marketData.candles({ instrumentId, timeFrame, fromMs, limit: 1 }))[0] ?? null;
  const [first, last] = [await chooseFirst(request, head, firstFrom), await chooseLast(request, head, firstFrom)];
  const nothing = async () => nothingOf(head, await firstFrom(0));
  return { firstN: first.n, lastN: last.n, whyFirst: first.why, whyLast: last.why, nothing };
}

async function chooseFirst({ from, fromN }: Range, head: SeriesHead, firstFrom: Ask): Promise<Bound> {
  const kept = head.headN === 0 ? 1 : head.firstN;
  const isKept = (asked: string) => `at the first candle kept, which is after ${asked}`;
  if (from !== undefined) {
    const asked = `from (${from})`;
    const first = await firstFrom(startOf(from));
    if (first === null) return { n: head.headN + 1, why: `at ${asked}` };
    return { n: first.n, why: first.n > kept || dayOf(first.openAtMs) === from ? `at ${asked}` : isKept(asked) };
  }
  if (fromN === undefined) return { n: kept, why: "at the first candle kept" };
  return fromN >= kept ? { n: fromN, why: `at fromN (${fromN})` } : { n: kept, why: isKept(`fromN (${fromN})`) };
}

async function chooseLast({ to, toN }: Range, head: SeriesHead, firstFrom: Ask): Promise<Bound> {
  const { headN, headOpenAtMs } = head;
  const isNewest = (asked: string) => ({ n: headN, why: `at the newest candle kept, which is before ${asked}` });
  if (to !== undefined) {
    const asked = `to (${to})`;
    const after = await firstFrom(startOf(to) + DAY_MS);
    // One that came since the head was read is none of this run's.
    if (after !== null) return { n: Math.min(after.n - 1, headN), why: `at ${asked}` };
    return headOpenAtMs !== null && dayOf(headOpenAtMs) === to ? { n: headN, why: `at ${asked}` } : isNewest(asked);
  }
  if (toN === undefined) return { n: headN, why: "at the newest candle kept" };
  return toN <= headN ? { n: toN, why: `at toN (${toN})` } : isNewest(`toN (${toN})`);
}

function startOf(day: string): number {
  return Math.max(0, Date.parse(`${day}T00:00:00Z`));
}

function nothingOf({ firstN, headN, headOpenAtMs }: SeriesHead, oldest: Candle | null): string {
  if (headN < 1 || headOpenAtMs === null)
    return "There are no candles of it yet: name history, and the venue's bars are read first.";
  const since = oldest === null ? "" : ` (${dayOf(oldest.openAtMs)})`;
  return `There are no candles in this range: ${firstN}${since} to ${headN} (${dayOf(headOpenAtMs)}) are kept.`;
}
