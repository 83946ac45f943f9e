/** How many bars or trades of a venue one page of data-collect's REST has at most. */
export const MOST_A_PAGE = 5_000;

/** How many closed bars a series may be asked to begin with at most. Some 600 questions to a venue. */
export const MOST_HISTORY = 100_000;

/** How many candles a back-fill may be asked for at most: nineteen years of minutes. */
export const MOST_BACKFILL = 10_000_000;
