/** Failures of one thing in a row, so that what is tried again and again is logged with pauses that grow. */
export interface FailureRow {
  /** True for the 1st, 2nd, 4th, 8th ... failure in a row with the same reason: it is worth a line. */
  note(reason: string): boolean;
  /** How many there were since it went well. */
  readonly count: number;
  /** It went well. */
  clear(): void;
}

export function createFailureRow(): FailureRow {
  let count = 0;
  let same = 0;
  let last: string | null = null;
  return {
    note(reason) {
      count += 1;
      same = reason === last ? same + 1 : 1;
      last = reason;
      return Number.isInteger(Math.log2(same));
    },
    get count() {
      return count;
    },
    clear() {
      count = 0;
      last = null;
    },
  };
}
