import type { OutgoingMessage } from "./channel.ts";

/** A message as it leaves. */
export function outgoing(more: Partial<OutgoingMessage["content"]> = {}): OutgoingMessage {
  const content = {
    kind: "alert" as const,
    severity: "warning" as const,
    title: "warning: TEST <it> & more",
    text: "It has happened.\nLook.",
    atMs: 1,
    data: { code: "TEST" },
    ...more,
  };
  return { id: "0198f3c2-0000-7000-8000-000000000001", recipientId: "r", seq: 7, content };
}
