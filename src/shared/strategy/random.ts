/** State of a generator: four unsigned 32-bit numbers, as JSON. */
export type RandomState = readonly [number, number, number, number];

/** Numbers that look drawn by chance and come out the same each time: what a strategy has instead of `Math.random`. */
export interface Random {
  /** The next number in [0, 1), a multiple of 2^-32. */
  next(): number;
  snapshot(): RandomState;
  /** Goes on from a state. Throws (TypeError) on what is none. */
  restore(state: unknown): void;
}

/** Rounds until each bit of the seed has reached each word, as PractRand's author recommends. */
const WARM_UP_ROUNDS = 12;

/**
 * The small fast counter generator sfc32 (Chris Doty-Humphrey, PractRand), seeded from the SHA-256 of a text: the same text
 * gives the same numbers on every machine.
 */
export function createRandom(seed: string): Random {
  const digest = new DataView(new Bun.CryptoHasher("sha256").update(seed).digest().buffer);
  let [a, b, c, counter] = [digest.getUint32(0), digest.getUint32(4), digest.getUint32(8), 1];
  const next = () => {
    const sum = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0;
    return sum / 2 ** 32;
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) next();
  return {
    next,
    snapshot: () => [a, b, c, counter],
    restore(state) {
      const isWord = (word: unknown) => Number.isInteger(word) && Number(word) >= 0 && Number(word) < 2 ** 32;
      if (!Array.isArray(state) || state.length !== 4 || !state.every(isWord)) {
        throw new TypeError("The snapshot has no state of the random numbers.");
      }
      [a, b, c, counter] = state as [number, number, number, number];
    },
  };
}
