import { z } from "zod";
import type { Candle, Quote } from "#shared/domain/candle.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { faultsOf, invalidInput } from "#shared/errors/field-error.ts";
import { faultsOfText } from "#shared/http/whole-text.ts";

const OPS = ["subscribe", "unsubscribe"] as const;
const CHANNELS = ["candles", "quotes"] as const;
const op = z.enum(OPS, { error: `must be ${OPS.join(" or ")}` });
const instrumentId = instrumentSchema.shape.id;
const requestSchema = z.discriminatedUnion("channel", [
  z.strictObject({ op, channel: z.literal("candles"), instrumentId, timeFrame: timeFrameSchema }),
  z.strictObject({ op, channel: z.literal("quotes"), instrumentId }),
]);
type Request = z.infer<typeof requestSchema>;

const NO_OBJECT =
  'A message has to be a JSON object: {"op":"subscribe","channel":"quotes","instrumentId":"BTC/USDT.paper"}.';

/** Looked at first: of a channel that is none, the union's own finding names no field. */
const kindSchema = z.looseObject({ op, channel: z.enum(CHANNELS, { error: `must be ${CHANNELS.join(" or ")}` }) });

/** What can be followed: the candles of a series, or the quotes of an instrument. */
export type ChannelName = Request extends infer One ? (One extends Request ? Omit<One, "op"> : never) : never;

/** A message of a client, as it was understood. */
export interface StreamRequest {
  op: Request["op"];
  name: ChannelName;
}

/** The state that a channel has when somebody joins it: `closed` has the newest closed candle, or none where there is none yet. */
export type Snapshot = { closed: Candle[]; forming: Candle | null } | { quote: Quote | null };

/**
 * What clients are told. `followed`: whether a session at work names the instrument; while none does, its venue is not listened to. A null quote: none stands any more, since its source is not heard. `code` of an error is stable, its
 * message a sentence for a person.
 */
export type StreamMessage =
  | ({ type: "subscribed" } & ChannelName)
  | ({ type: "unsubscribed" } & ChannelName)
  | ({ type: "snapshot"; followed: boolean } & ChannelName & Snapshot)
  | { type: "candle"; candle: Candle }
  | { type: "quote"; instrumentId: string; quote: Quote | null }
  | { type: "error"; code: string; message: string };

/** One text for one channel. */
export function keyOf(name: ChannelName): string {
  return name.channel === "candles" ? seriesKey(name) : `quotes ${name.instrumentId}`;
}

/** The key of the channel of a series' candles. */
export function seriesKey({ instrumentId: id, timeFrame }: Pick<Candle, "instrumentId" | "timeFrame">): string {
  return `candles ${id} ${timeFrame}`;
}

/**
 * Understands a message, which the server has parsed where it was JSON.
 *
 * @throws INVALID_INPUT with one sentence that names what is wrong, and what the client may say
 */
export function readRequest(message: unknown): StreamRequest {
  if (typeof message !== "object" || message === null || Array.isArray(message) || message instanceof Uint8Array) {
    throw new AppError("INVALID_INPUT", "permanent", NO_OBJECT);
  }
  const ofKind = faultsOf(kindSchema, message);
  const faults = ofKind.length > 0 ? ofKind : [...faultsOf(requestSchema, message), ...faultsOfText(message)];
  if (faults.length > 0)
    throw invalidInput(faults, `${faults.map(({ field, message: said }) => `${field} ${said}`).join(", ")}.`);
  const { op: wanted, ...name } = requestSchema.parse(message);
  return { op: wanted, name };
}
