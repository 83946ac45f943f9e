/** A connection that frames are sent to. */
export interface Socket {
  send(text: string): void;
  /** Ends it. */
  close(): void;
}

/** Reads a message that may have been read as JSON already. Null: it is no JSON. */
export function readJson(message: unknown): unknown {
  if (typeof message !== "string") return message;
  try {
    return JSON.parse(message);
  } catch {
    return null;
  }
}
