import { z } from "zod";
import { defineTask } from "#shared/messages/tasks.ts";

/**
 * Sends what waits for a recipient, in order. Lane: the recipient. One is open for as long as there are messages to send, but for the
 * pauses after failures; who makes one has locked the recipient and found none.
 */
export const DELIVER_MESSAGES = defineTask({
  queue: "notification",
  type: "deliver-messages",
  lane: "recipientId",
  payload: z.object({ recipientId: z.uuid() }),
  onDead: "block",
});
