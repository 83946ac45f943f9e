import { createHash } from "node:crypto";

/** The UUID (version 8, RFC 9562) of a name: the beginning of its SHA-256. The same name always gives the same one. */
export function uuidFrom(name: string): string {
  const digest = createHash("sha256").update(name).digest();
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
