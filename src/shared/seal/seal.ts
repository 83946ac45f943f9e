import { timingSafeEqual } from "node:crypto";
import type { Db } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** Characters of base64url that stand before a sealed text: 132 bits of the HMAC. */
const MAC_LENGTH = 22;

/**
 * Texts that go through Redis or another broker, which is trusted with nothing: whoever has not got the key can neither
 * write one nor move one to another place.
 */
export interface Seal {
  /** The text with its HMAC-SHA256 over place and text before it. */
  seal(place: string, text: string): string;
  /** The text. Null: it was not sealed with this key for this place. */
  open(place: string, sealed: string): string | null;
}

/** A seal under a key of at least 32 bytes. */
export function createSeal(key: Uint8Array): Seal {
  // A copy of one that has the key costs two thirds of a new one.
  const keyed = new Bun.CryptoHasher("sha256", key);
  const macOf = (place: string, text: string) =>
    keyed.copy().update(`${place.length}:${place}${text}`).digest("base64url").slice(0, MAC_LENGTH);
  return {
    seal: (place, text) => macOf(place, text) + text,
    open(place, sealed) {
      if (sealed.length < MAC_LENGTH) return null;
      const text = sealed.slice(MAC_LENGTH);
      const given = Buffer.from(sealed.slice(0, MAC_LENGTH));
      const own = Buffer.from(macOf(place, text));
      return given.length === own.length && timingSafeEqual(given, own) ? text : null;
    },
  };
}

/** The seal of this database's processes. Its key lies in Postgres alone, and is never logged. */
export async function readSeal(db: Db): Promise<Seal> {
  const [row] = await db.sql<{ key: Uint8Array }[]>`select key from bus.seal`;
  if (row !== undefined) return createSeal(row.key);
  throw new AppError("INTERNAL", "permanent", "The database has no key for what goes through the broker.");
}
