import { z } from "zod";
import { defineFault, type Frame, type Misbehaviour, ms, type Reach, type StreamKind } from "./fault.ts";

const kind = z.enum(["market", "user"]).describe("Of which streams");
const stream = z
  .string()
  .regex(
    /^(trade|aggTrade|bookTicker|kline_\w{2,3}|executionReport|outboundAccountPosition)$/,
    "must be trade, aggTrade, bookTicker, kline_1m or of another time frame, executionReport or outboundAccountPosition",
  )
  .optional()
  .describe('Only frames of this one: "trade", "kline_1s", "executionReport". Default: all of the kind');
const frames = { kind, stream };
interface Frames {
  kind: StreamKind;
  stream?: string | undefined;
}

function concerns(frame: Frame, of: Frames): boolean {
  return frame.kind === of.kind && (of.stream === undefined || frame.stream === of.stream);
}

/** The text of a frame that is not held back or changed. */
function only(of: Frames, strikes: Reach["strikes"], instead: (frame: Frame) => string | null): Misbehaviour {
  return { frame: (frame) => (concerns(frame, of) && strikes() ? instead(frame) : frame.text) };
}

/** Holds a frame back until the next one to the same connection has gone. */
function turned(of: Frames, { strikes }: Reach): Misbehaviour {
  const held = new Map<object, Frame>();
  return {
    frame(frame) {
      if (!concerns(frame, of)) return frame.text;
      const first = held.get(frame.to);
      if (first !== undefined) {
        held.delete(frame.to);
        frame.send(frame.text);
        return first.text;
      }
      if (!strikes()) return frame.text;
      held.set(frame.to, frame);
      return null;
    },
    stop() {
      for (const { send, text } of held.values()) send(text);
      held.clear();
    },
  };
}

/** A frame that cannot be used: its close is no price, or it ends in the middle. */
function corrupted(text: string, as: "no-close" | "no-json"): string {
  return as === "no-close" ? text.replace(/"c":"[^"]*"/, '"c":null') : text.slice(0, Math.floor(text.length / 2));
}

/** Faults of streams and their connections. */
export const STREAM_FAULTS = [
  defineFault("bar-dropped", "a frame of a closed bar is not sent", {}, (_of, { strikes }) => ({
    frame: ({ closedBar, text }) => (closedBar && strikes() ? null : text),
  })),
  defineFault(
    "bar-corrupted",
    "a frame of a closed bar has no close, or is cut in the middle",
    { as: z.enum(["no-close", "no-json"]).default("no-close").describe("What is wrong with it") },
    (of, { strikes }) => ({
      frame: ({ closedBar, text }) => (closedBar && strikes() ? corrupted(text, of.as) : text),
    }),
  ),
  defineFault("stream-silent", "nothing is sent, pings are answered", frames, (of, { strikes }) =>
    only(of, strikes, () => null),
  ),
  defineFault("stream-delayed", "frames come late", { ...frames, delayMs: ms }, (of, { strikes, clock }) =>
    only(of, strikes, ({ text, send }) => {
      void clock.sleep(of.delayMs).then(() => send(text));
      return null;
    }),
  ),
  defineFault("stream-doubled", "frames come twice", frames, (of, { strikes }) =>
    only(of, strikes, ({ text, send }) => {
      send(text);
      return text;
    }),
  ),
  defineFault("stream-turned", "two frames that follow each other come the other way round", frames, turned),
  defineFault("subscription-unanswered", "a subscription is never acknowledged", { kind }, (of, { strikes }) => ({
    acknowledges: (asked) => (asked === of.kind && strikes() ? "never" : 0),
  })),
  defineFault(
    "subscription-late",
    "a subscription is acknowledged after the first frames",
    { kind, delayMs: ms },
    (of, { strikes }) => ({ acknowledges: (asked) => (asked === of.kind && strikes() ? of.delayMs : 0) }),
  ),
  defineFault(
    "disconnect",
    "the connections break, once",
    { kind: z.enum(["market", "user", "all"]).describe("Of which streams") },
    (of, reach) => {
      if (reach.strikes()) reach.disconnect(of.kind);
      return {};
    },
  ),
] as const;
