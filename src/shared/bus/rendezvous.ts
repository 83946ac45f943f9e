import { murmur2 } from "./murmur2.ts";

/**
 * The member that should have a unit: the one with the highest hash of both (rendezvous hashing). A member that comes
 * or goes moves only the units that it gets or had. Ties go to the greater name.
 */
export function memberFor(unit: number, members: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestWeight = -1;
  for (const member of members) {
    // Hashed twice, as murmur2 alone hardly mixes the last byte into the high bits.
    const weight = murmur2(`${murmur2(`${unit}/${member}`)}`) >>> 0;
    if (weight > bestWeight || (weight === bestWeight && best !== undefined && member > best)) {
      best = member;
      bestWeight = weight;
    }
  }
  return best;
}
