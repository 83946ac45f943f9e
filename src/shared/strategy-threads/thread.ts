import { decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { type BarName, guarded } from "#shared/strategy/failing.ts";
import { checkStrategy, type StrategyCheck } from "#shared/strategy/registry.ts";
import { createStrategyRuntime, type RuntimeSnapshot, type StrategyRuntime } from "#shared/strategy/runtime.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { infoOf, loadDefinitions, type StrategyInfo } from "./definitions.ts";
import { liveHeapBytes } from "./heap-meter.ts";
import { NO_BAR } from "./marks.ts";
import { serve, type ThreadDesk } from "./serve.ts";
import type { Turn, TurnRequest } from "./strategy-host.ts";
import { playTurn } from "./turn.ts";

/** A strategy as a request names it. */
interface Named extends Pick<StrategyInfo, "file" | "texts"> {
  strategy: string;
  version: string;
}

/** What this thread can be asked. */
export type StrategyRequest =
  | { kind: "inspect"; seat: number; file: string }
  | ({ kind: "check"; seat: number; params: unknown } & Named)
  | ({ kind: "open"; seat: number; params: unknown; instrument: Instrument; snapshot: RuntimeSnapshot | null } & Named)
  | ({ kind: "turn"; seat: number } & TurnRequest)
  | { kind: "close"; seat: number }
  | { kind: "weigh"; limitBytes: number };

/** The answers, by what was asked. */
export interface StrategyAnswers {
  inspect: StrategyInfo[];
  check: StrategyCheck;
  open: { warmupBars: number };
  turn: Turn;
  close: null;
  weigh: HeldMemory | null;
}

/** What the strategies of a thread hold, in bytes, largest first. The seats are empty afterwards. */
export interface HeldMemory {
  heapBytes: number;
  seats: { seat: number; bytes: number }[];
}

interface Seat {
  runtime: StrategyRuntime;
  /** It has been shown a bar here. */
  begun: boolean;
}

const seats = new Map<number, Seat>();

serve<StrategyRequest>((request, desk) => {
  switch (request.kind) {
    case "inspect":
      desk.marks.begin("slow", request.seat, NO_BAR);
      return inspect(request.file);
    case "check":
      desk.marks.begin("slow", request.seat, NO_BAR);
      return check(request);
    case "open":
      desk.marks.begin("slow", request.seat, NO_BAR);
      return open(request);
    case "turn":
      return turn(request, desk);
    case "close":
      seats.delete(request.seat);
      return null;
    case "weigh":
      return weigh(request.limitBytes);
  }
});

/** The file that a definition was seen in first: what another one passes on is not a second strategy. */
const files = new WeakMap<StrategyDefinition, string>();

async function inspect(file: string): Promise<StrategyInfo[]> {
  const own = (await loadDefinitions(file)).filter((definition) => (files.get(definition) ?? file) === file);
  for (const definition of own) files.set(definition, file);
  return own.map((definition) => infoOf(definition, file));
}

async function definitionOf({ file, texts, strategy, version }: Named): Promise<StrategyDefinition> {
  const found = (await loadDefinitions(file, texts)).find(({ name }) => name === strategy);
  if (found?.version === version) return found;
  const here = found === undefined ? "is not there any more" : `is version ${found.version} by now`;
  throw new AppError(
    "STRATEGY_FAILED",
    "permanent",
    `The strategy "${strategy}" ${here}; version ${version} was asked for.`,
  );
}

async function check(named: Named & { params: unknown }): Promise<StrategyCheck> {
  return checkStrategy([await definitionOf(named)], named);
}

async function open(request: Extract<StrategyRequest, { kind: "open" }>): Promise<StrategyAnswers["open"]> {
  const { seat, params, instrument, snapshot } = request;
  const definition = await definitionOf(request);
  return guarded("could not begin", () => {
    const runtime = createStrategyRuntime({ definition, params, instrument });
    if (snapshot !== null) runtime.restore(snapshot);
    seats.set(seat, { runtime, begun: false });
    return { warmupBars: definition.warmupBars(definition.params.parse(params)) };
  });
}

function turn(request: Extract<StrategyRequest, { kind: "turn" }>, { marks }: ThreadDesk): Turn {
  const { seat, warmUp } = request;
  const at = seats.get(seat);
  if (at === undefined) throw new AppError("INTERNAL", "permanent", "The strategy's seat is empty.");
  let [work, bar]: ["slow" | "bar", BarName] = ["slow", NO_BAR];
  const answer = playTurn(
    at.runtime,
    { ...request, size: decimal(request.size) },
    {
      onBar(shown) {
        [work, bar] = [warmUp || !at.begun ? "slow" : "bar", shown];
        at.begun = true;
        marks.begin(work, seat, bar);
      },
      onSave: () => marks.begin("save", seat, bar),
    },
  );
  // What a bar has set going runs yet.
  if (bar !== NO_BAR) marks.begin(work, seat, bar);
  return answer;
}

/**
 * What the seats hold. Null: no more than the limit, the rest was garbage. The seats are emptied one by one; what the heap
 * loses by each was its.
 */
function weigh(limitBytes: number): HeldMemory | null {
  const heapBytes = liveHeapBytes();
  if (heapBytes <= limitBytes) return null;
  let before = heapBytes;
  const held = [...seats.keys()].map((seat) => {
    seats.delete(seat);
    const after = liveHeapBytes();
    const bytes = before - after;
    before = after;
    return { seat, bytes };
  });
  return { heapBytes, seats: held.toSorted((left, right) => right.bytes - left.bytes) };
}
