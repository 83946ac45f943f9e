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
import { runBars } from "./run-bars.ts";
import { type RequestContext, serve } from "./serve.ts";
import type { BarsOutcome, BarsRequest } from "./strategy-host.ts";

/** A strategy as a request names it. */
interface Named extends Pick<StrategyInfo, "file" | "texts"> {
  strategy: string;
  version: string;
}

/** What this thread can be asked. */
export type StrategyRequest =
  | { kind: "inspect"; instanceId: number; file: string }
  | ({ kind: "check"; instanceId: number; params: unknown } & Named)
  | ({
      kind: "open";
      instanceId: number;
      params: unknown;
      instrument: Instrument;
      snapshot: RuntimeSnapshot | null;
    } & Named)
  | ({ kind: "bars"; instanceId: number } & BarsRequest)
  | { kind: "close"; instanceId: number }
  | { kind: "weigh"; limitBytes: number };

/** The answers, by what was asked. */
export interface StrategyAnswers {
  inspect: StrategyInfo[];
  check: StrategyCheck;
  open: { warmupBars: number };
  bars: BarsOutcome;
  close: null;
  weigh: HeldMemory | null;
}

/** What the strategies of a thread hold, in bytes, largest first. No instance is left in it afterwards. */
export interface HeldMemory {
  heapBytes: number;
  instances: { instanceId: number; bytes: number }[];
}

interface Instance {
  runtime: StrategyRuntime;
  /** It has been shown a bar here. */
  begun: boolean;
}

const instances = new Map<number, Instance>();

serve<StrategyRequest>((request, context) => {
  switch (request.kind) {
    case "inspect":
      context.marks.begin("slow", request.instanceId, NO_BAR);
      return inspect(request.file);
    case "check":
      context.marks.begin("slow", request.instanceId, NO_BAR);
      return check(request);
    case "open":
      context.marks.begin("slow", request.instanceId, NO_BAR);
      return open(request);
    case "bars":
      return onBars(request, context);
    case "close":
      instances.delete(request.instanceId);
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
  const { instanceId, params, instrument, snapshot } = request;
  const definition = await definitionOf(request);
  return guarded("could not begin", () => {
    const runtime = createStrategyRuntime({ definition, params, instrument });
    if (snapshot !== null) runtime.restore(snapshot);
    instances.set(instanceId, { runtime, begun: false });
    return { warmupBars: definition.warmupBars(definition.params.parse(params)) };
  });
}

function onBars(request: Extract<StrategyRequest, { kind: "bars" }>, { marks }: RequestContext): BarsOutcome {
  const { instanceId, warmUp } = request;
  const at = instances.get(instanceId);
  if (at === undefined) throw new AppError("INTERNAL", "permanent", "The strategy is not in this thread.");
  let [work, bar]: ["slow" | "bar", BarName] = ["slow", NO_BAR];
  const answer = runBars(
    at.runtime,
    { ...request, size: decimal(request.size) },
    {
      onBar(shown) {
        [work, bar] = [warmUp || !at.begun ? "slow" : "bar", shown];
        at.begun = true;
        marks.begin(work, instanceId, bar);
      },
      onSave: () => marks.begin("save", instanceId, bar),
    },
  );
  // What a bar has set going runs yet.
  if (bar !== NO_BAR) marks.begin(work, instanceId, bar);
  return answer;
}

/**
 * What the instances hold. Null: no more than the limit, the rest was garbage. They are let go one by one; what the heap
 * loses by each was its.
 */
function weigh(limitBytes: number): HeldMemory | null {
  const heapBytes = liveHeapBytes();
  if (heapBytes <= limitBytes) return null;
  let before = heapBytes;
  const held = [...instances.keys()].map((instanceId) => {
    instances.delete(instanceId);
    const after = liveHeapBytes();
    const bytes = before - after;
    before = after;
    return { instanceId, bytes };
  });
  return { heapBytes, instances: held.toSorted((left, right) => right.bytes - left.bytes) };
}
