/** What a strategy finds refused, and what it has instead. */
const REFUSED: Readonly<Record<string, string>> = {
  fetch: "the bars",
  WebSocket: "the bars",
  XMLHttpRequest: "the bars",
  EventSource: "the bars",
  BroadcastChannel: "the bars",
  Worker: "onBar alone",
  setTimeout: "context.nowMs, bar by bar",
  setInterval: "context.nowMs, bar by bar",
  setImmediate: "onBar alone",
  queueMicrotask: "onBar alone",
  performance: "context.nowMs",
  Temporal: "context.nowMs",
  MessageChannel: "onBar alone",
  FinalizationRegistry: "onBar alone",
  WebAssembly: "its own code",
  process: "its parameters",
  require: "an import statement",
  crypto: "context.random()",
  alert: "onBar alone",
  confirm: "onBar alone",
  prompt: "onBar alone",
  postMessage: "the context",
  addEventListener: "onBar alone",
  onmessage: "onBar alone",
};

function refuse(name: string, instead: string): () => never {
  return () => {
    throw new Error(`NOT_DETERMINISTIC: ${name} is refused in a strategy; use ${instead}.`);
  };
}

/**
 * Takes from this thread what makes a strategy depend on more than its bars: network, files, clocks, timers, chance. Called
 * once, before a strategy is loaded and after the thread has taken what it needs itself. It guards against mistakes, not
 * malice: the global `Bun` cannot be taken away, and the scan of the source refuses it.
 */
export function refuseGlobals(): void {
  Math.random = refuse("Math.random", "context.random()");
  AbortSignal.timeout = refuse("AbortSignal.timeout", "context.nowMs, bar by bar");
  Atomics.waitAsync = refuse("Atomics.waitAsync", "onBar alone");
  refuseNow();
  for (const [name, instead] of Object.entries(REFUSED)) {
    Object.defineProperty(globalThis, name, {
      get: refuse(name, instead),
      set: refuse(name, instead),
      configurable: false,
    });
  }
  // A global of its own would be one of all strategies here.
  Object.preventExtensions(globalThis);
}

/** Dates of the bars are as they were; only what would ask for the present one is refused. */
function refuseNow(): void {
  globalThis.Date = new Proxy(Date, {
    construct: (target, given: unknown[], made) =>
      given.length === 0 ? refuse("new Date()", "context.nowMs")() : (Reflect.construct(target, given, made) as object),
    apply: refuse("Date()", "context.nowMs"),
    get: (target, name) =>
      name === "now" ? refuse("Date.now", "context.nowMs") : (Reflect.get(target, name) as unknown),
  });
  const needDate = refuse("Intl.DateTimeFormat without a date", "context.nowMs");
  const { prototype } = Intl.DateTimeFormat;
  const format = Object.getOwnPropertyDescriptor(prototype, "format");
  Object.defineProperty(prototype, "format", {
    get(this: Intl.DateTimeFormat): Format {
      const own = format?.get?.call(this) as Format;
      return (date) => (date === undefined ? needDate() : own(date));
    },
  });
  const parts = Object.getOwnPropertyDescriptor(prototype, "formatToParts");
  prototype.formatToParts = function (this: Intl.DateTimeFormat, date) {
    return date === undefined ? needDate() : (Reflect.apply(parts?.value as Parts, this, [date]) as ReturnType<Parts>);
  };
}

type Format = (date?: Date | number) => string;
type Parts = Intl.DateTimeFormat["formatToParts"];
