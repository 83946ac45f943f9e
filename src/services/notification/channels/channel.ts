import type { MessageContent } from "#services/notification/notices/content.ts";

/** A message as it leaves. Its id is the same in each try, so that who gets it twice can tell. */
export interface OutgoingMessage {
  id: string;
  recipientId: string;
  /** Its number among the recipient's messages, from 1, without a gap. */
  seq: number;
  content: MessageContent;
}

/**
 * What became of a try. sent: the far side has taken it. refused: it never will. later: it may; `retryAfterMs` is what it asked
 * for, null: nothing. Reasons are sentences without a secret.
 */
export type Verdict =
  | { kind: "sent" }
  | { kind: "refused"; reason: string }
  | { kind: "later"; reason: string; retryAfterMs: number | null };

/** Sends one message. It resolves within its deadline, whatever the far side does, and does not throw. */
export type Send = (message: OutgoingMessage, signal: AbortSignal) => Promise<Verdict>;

/** A message as a person reads it where there is nothing but text; the last line is its id. */
export function plainText({ id, content }: OutgoingMessage, most: number): string {
  const end = `\n#${id}`;
  const { title, text } = content;
  const whole = text === "" ? title : `${title}\n${text}`;
  return `${cut(whole, most - end.length)}${end}`;
}

/** A text of so many characters at most, which says where it was cut. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`;
}
