const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Eight random characters of [a-z0-9]: the beginning of a session's client order ids. The table keeps them unique. */
export function newCode(): string {
  const bytes = crypto.getRandomValues(new Uint32Array(8));
  return Array.from(bytes, (value) => ALPHABET.charAt(value % ALPHABET.length)).join("");
}
