import { heapSize } from "bun:jsc";
import { storable } from "#shared/errors/storable-text.ts";
import { type BarName, candleName } from "#shared/strategy/failing.ts";
import { placeOf, wordsOf } from "#shared/strategy/thrown.ts";
import { refuseGlobals } from "./guard.ts";
import { createHeapMeter, liveHeapBytes } from "./heap-meter.ts";
import { createMarksBuffer, type Marks, marksOn, NO_BAR } from "./marks.ts";
import { watchBuiltIns } from "./watch-built-ins.ts";

/** What the host tells a thread first. */
export interface ThreadStart {
  marks: SharedArrayBuffer;
  /** How large its heap may grow, in bytes. */
  memoryBytes: number;
}

/** What the host asks. Each gets one answer, in order. */
export interface ThreadRequest<Request = unknown> {
  id: number;
  request: Request;
}

/**
 * What a thread tells its host.
 * done, failed: the answer. note: progress before the answer. print: a line that strategy code wrote on the console.
 * uncaught: an error while no request was at work. damaged: the request of this id changed what all strategies of the
 * thread share; nothing more is answered.
 */
export type ThreadMessage =
  | { kind: "done"; id: number; value: unknown; heapBytes: number }
  | { kind: "failed"; id: number; reason: string; heapBytes: number }
  | { kind: "note"; id: number; value: unknown }
  | { kind: "print"; instanceId: number; text: string }
  | { kind: "uncaught"; reason: string }
  | { kind: "damaged"; id: number; changed: string };

/** What a request's handler has. */
export interface RequestContext {
  marks: Marks;
  /** Tells the host of progress, before the answer. */
  note(value: unknown): void;
}

/** Lines of one request that reach the log, and characters of each. */
const PRINTED_LINES = 20;
const PRINTED_CHARACTERS = 1_000;
/** Of what a promise, or what it set going else, throws once `onBar` has come back. */
const LATE = "The strategy failed after its onBar had come back";

/**
 * Serves requests in this thread, one after the other; to call it is the last thing a thread's module does. An answer is
 * given only once all that the request has set going has run: a promise that fails later fails the request. What a strategy
 * must not reach is refused from here on.
 */
export function serve<Request>(handle: (request: Request, context: RequestContext) => unknown): void {
  const post = globalThis.postMessage.bind(globalThis) as (message: ThreadMessage) => void;
  const immediate = setImmediate;
  const untilIdle = () => new Promise<void>((resolve) => void immediate(resolve));
  const waiting: ThreadRequest<Request>[] = [];
  let marks = marksOn(createMarksBuffer());
  let heapBytes: number | undefined;
  let late: { error: unknown } | null = null;
  let printed = 0;
  let working = false;
  let builtInsChange: () => string | null = () => null;

  const print = (...values: unknown[]) => {
    printed += 1;
    if (printed > PRINTED_LINES) return;
    const text = values.map((value) => (typeof value === "string" ? value : Bun.inspect(value))).join(" ");
    post({ kind: "print", instanceId: marks.read().instanceId, text: text.slice(0, PRINTED_CHARACTERS) });
  };
  const later = (error: unknown) => {
    if (working) late ??= { error };
    else post({ kind: "uncaught", reason: storable(describe(error)) });
  };

  async function answer({ id, request }: ThreadRequest<Request>): Promise<void> {
    late = null;
    printed = 0;
    let value: unknown;
    let failed: { error: unknown } | null = null;
    // What came with the first request is not what its strategy has gathered.
    marks.base(heapBytes ?? liveHeapBytes());
    try {
      value = await handle(request, { marks, note: (note) => post({ kind: "note", id, value: note }) });
    } catch (error) {
      failed = { error };
    }
    await untilIdle();
    // First of all: what follows uses built-ins.
    const changed = builtInsChange();
    if (changed !== null) return post({ kind: "damaged", id, changed });
    // Its own code may run for its words.
    const reason = reasonOf(failed, late, marks.read().bar);
    marks.begin("idle", 0, NO_BAR);
    heapBytes = heapSize();
    if (reason === null) post({ kind: "done", id, value, heapBytes });
    else post({ kind: "failed", id, reason: storable(reason), heapBytes });
  }

  async function work(): Promise<void> {
    working = true;
    for (let ask = waiting.shift(); ask !== undefined; ask = waiting.shift()) await answer(ask);
    working = false;
  }

  addEventListener("message", ({ data }: MessageEvent<ThreadStart | ThreadRequest<Request>>) => {
    if ("marks" in data) {
      marks = marksOn(data.marks, createHeapMeter(data.memoryBytes));
      return;
    }
    waiting.push(data);
    if (!working) void work();
  });
  const { process } = globalThis;
  process.on("unhandledRejection", later);
  process.on("uncaughtException", later);
  for (const [name, member] of Object.entries(console)) {
    if (typeof member === "function" && name !== "Console") Object.assign(console, { [name]: print });
  }
  refuseGlobals();
  builtInsChange = watchBuiltIns();
}

/** Why a request failed. Null: it did not. */
function reasonOf(failed: { error: unknown } | null, late: { error: unknown } | null, bar: BarName): string | null {
  if (failed !== null) return describe(failed.error);
  return late === null ? null : lateSentence(late.error, bar);
}

/** What failed later than its bar came back, with the newest candle; what failed as a file was loaded has none. */
function lateSentence(error: unknown, bar: BarName): string {
  return bar.n === 0 ? describe(error) : `${LATE}, at ${candleName(bar)} or before: ${describe(error)}`;
}

/** The error's words, and where in a file of the strategy it was thrown. */
function describe(error: unknown): string {
  const place = placeOf(error);
  return place === null ? wordsOf(error) : `${wordsOf(error)} (${place})`;
}
