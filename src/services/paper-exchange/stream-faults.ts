import { z } from "zod";
import { defineFault, type Frame, type Misbehaviour, ms, type Reach, type StreamKind } from "./fault.ts";

const kind = z.enum(["market", "user"]).describe("Of which streams");

/** The text of a frame that is not held back or changed. */
function only(of: StreamKind, strikes: Reach["strikes"], instead: (frame: Frame) => string | null): Misbehaviour {
  return { frame: (frame) => (frame.kind === of && strikes() ? instead(frame) : frame.text) };
}

/** Faults of streams and their connections. */
export const STREAM_FAULTS = [
  defineFault("bar-dropped", "a frame of a closed bar is not sent", {}, (_of, { strikes }) => ({
    frame: ({ closedBar, text }) => (closedBar && strikes() ? null : text),
  })),
  defineFault("bar-corrupted", "a frame of a closed bar is cut in the middle", {}, (_of, { strikes }) => ({
    frame: ({ closedBar, text }) => (closedBar && strikes() ? text.replace(/"c":"[^"]*"/, '"c":null') : text),
  })),
  defineFault("stream-silent", "nothing is sent, pings are answered", { kind }, (of, { strikes }) =>
    only(of.kind, strikes, () => null),
  ),
  defineFault("stream-delayed", "frames come late", { kind, delayMs: ms }, (of, { strikes, clock }) =>
    only(of.kind, strikes, ({ text, send }) => {
      void clock.sleep(of.delayMs).then(() => send(text));
      return null;
    }),
  ),
  defineFault("stream-doubled", "frames come twice", { kind }, (of, { strikes }) =>
    only(of.kind, strikes, ({ text, send }) => {
      send(text);
      return text;
    }),
  ),
  defineFault(
    "stream-turned",
    "two frames that follow each other come the other way round",
    { kind },
    (of, { strikes }) => {
      let held: string | null = null;
      return {
        frame(frame) {
          if (frame.kind !== of.kind) return frame.text;
          if (held !== null) {
            const first = held;
            held = null;
            frame.send(frame.text);
            return first;
          }
          if (!strikes()) return frame.text;
          held = frame.text;
          return null;
        },
      };
    },
  ),
  defineFault("subscription-unanswered", "a subscription is never acknowledged", { kind }, (of, { strikes }) => ({
    acknowledges: (asked) => (asked === of.kind && strikes() ? "never" : 0),
  })),
  defineFault(
    "subscription-late",
    "a subscription is acknowledged after the first frames",
    { kind, delayMs: ms },
    (of, { strikes }) => ({ acknowledges: (asked) => (asked === of.kind && strikes() ? of.delayMs : 0) }),
  ),
  defineFault("disconnect", "the connections break, once", { kind: z.enum(["market", "user", "all"]) }, (of, reach) => {
    if (reach.strikes()) reach.disconnect(of.kind);
    return {};
  }),
] as const;
