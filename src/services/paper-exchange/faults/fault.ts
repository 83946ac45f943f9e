import { z } from "zod";
import type { CommissionRule, CutRule } from "#services/paper-exchange/ledger/ledger.ts";
import type { Market } from "#services/paper-exchange/market/market.ts";
import { isRefusal, type Refusal } from "#services/paper-exchange/protocol/refusal.ts";
import type { Params } from "#services/paper-exchange/protocol/signature.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Instrument } from "#shared/domain/instrument.ts";

/** A request as it reached the venue: of REST, or of the WebSocket API (`method` "WS"). */
export interface Call {
  method: string;
  /** The last part of its path, or the method's name: "order", "klines", "userDataStream.subscribe.signature". */
  path: string;
  params: Params;
}

/** What goes back. `dropped`: the connection ends without an answer. */
export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  delayMs?: number;
  dropped?: boolean;
}

/** The reply that an answer or a refusal makes. */
export function replyOf(answer: object | Refusal): Reply {
  if (!isRefusal(answer)) return { status: 200, body: answer };
  return { status: answer.status, body: { code: answer.code, msg: answer.msg } };
}

export type StreamKind = "market" | "user";

/** A frame on its way to one connection. */
export interface Frame {
  kind: StreamKind;
  text: string;
  /** Which stream it is of: "trade", "kline_1s", "executionReport". */
  stream: string;
  /** Whether it tells of a closed bar. */
  closedBar: boolean;
  /** The connection that it goes to. */
  to: object;
  /** Later or again: sends a text to the same connection. */
  send: (text: string) => void;
}

/**
 * What an active fault does. Each function is called at its place in the venue's protocol. None changes the market itself, so
 * that a fault that ends takes away its own effect only.
 */
export interface Misbehaviour {
  /** Before a request takes effect: the reply that it gets instead. Null: it goes on. */
  before?: (call: Call) => Reply | null;
  /** Once it has taken effect: the reply that goes back. */
  after?: (call: Call, reply: Reply) => Reply;
  /** What of a frame is sent now. Null: nothing. */
  frame?: (frame: Frame) => string | null;
  /** When a subscription is acknowledged: after so many milliseconds, or never. */
  acknowledges?: (kind: StreamKind) => number | "never";
  /** The market as questions see it. */
  view?: (market: Market) => Market;
  /** The symbol's rules as they are said and kept. */
  rules?: (instrument: Instrument) => Instrument;
  /** Another commission of an execution; null: it is left as it is. */
  commission?: CommissionRule;
  /** Whether an execution is cut by half. */
  cuts?: CutRule;
  /** How far the server clock is ahead. */
  aheadMs?: () => number;
  /** What the list of faults says of it besides how often it has struck. */
  tells?: () => Record<string, number>;
  /** Whether it does nothing any more by its own time, whatever it was set for. */
  isOver?: () => boolean;
  /** Lets go of what it holds. */
  stop?: () => void;
}

/** What a fault may reach. */
export interface Reach {
  market: Market;
  clock: Clock;
  /** Breaks the connections of one kind, or all. */
  disconnect: (kind: StreamKind | "all") => void;
  /** Whether it strikes now: draws, and counts where it does. */
  strikes: () => boolean;
}

const common = {
  probability: z.number().min(0).max(1).default(1).describe("How likely it strikes each time it could"),
  after: z.number().int().min(0).default(0).describe("So many times it could strike and does not yet"),
  times: z.number().int().min(1).optional().describe("How often it strikes; default: for as long as it is set"),
  forMs: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe("How long it is set, in milliseconds; default: until it is replaced"),
};

/** One way in which a venue misbehaves. */
export interface FaultKind {
  name: string;
  /** In a few words, for the list. */
  meaning: string;
  schema: z.ZodObject;
  begin(parameters: never, reach: Reach): Misbehaviour;
}

/** Defines a fault: its parameters beside those that all have, and what it does. */
export function defineFault<Name extends string, Shape extends z.ZodRawShape>(
  name: Name,
  meaning: string,
  shape: Shape,
  begin: (parameters: z.infer<z.ZodObject<Shape>>, reach: Reach) => Misbehaviour,
): FaultKind {
  const schema = z
    .strictObject({ fault: z.literal(name).describe("Which fault it is"), ...common, ...shape })
    .describe(meaning);
  return { name, meaning, schema: schema as unknown as z.ZodObject, begin: begin as FaultKind["begin"] };
}

/** A fault of which one of some parameters has to be given: without any it would change nothing. */
export function needsOneOf(fault: FaultKind, names: readonly string[]): FaultKind {
  const isGiven = (parameters: Record<string, unknown>) => names.some((name) => parameters[name] !== undefined);
  const schema = fault.schema.refine(isGiven, {
    path: [names[0] ?? ""],
    error: `or another of ${names.join(", ")} is missing`,
  });
  return { ...fault, schema };
}

/** What all faults have in common, as it was set. */
export type CommonParameters = z.infer<z.ZodObject<typeof common>> & { fault: string };

export const ms = z.number().int().min(0).max(3_600_000).describe("In milliseconds");
