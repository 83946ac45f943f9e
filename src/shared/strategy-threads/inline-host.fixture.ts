import { decimal } from "#shared/domain/decimal.ts";
import { guarded } from "#shared/strategy/failing.ts";
import { checkStrategy, findStrategy } from "#shared/strategy/registry.ts";
import { createStrategyRuntime } from "#shared/strategy/runtime.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { infoOf } from "./definitions.ts";
import { runBars } from "./run-bars.ts";
import type { InstanceOptions, StrategyHost, StrategyInstance } from "./strategy-host.ts";
import { strategyFailed } from "./watched-thread.ts";

const UNWATCHED = { onBar: () => undefined, onSave: () => undefined };

/** Strategies of a test in the test's own thread, by the same rules. Nothing contains them. */
export function createInlineHost(definitions: readonly StrategyDefinition[]): StrategyHost {
  const find = (name: string) => {
    const definition = findStrategy(definitions, name);
    return definition === null ? null : infoOf(definition, `${name}.ts`);
  };
  return {
    load: async () => undefined,
    list: () => definitions.map((definition) => infoOf(definition, `${definition.name}.ts`)),
    faults: () => [],
    find,
    check: async (request) => checkStrategy(definitions, request),
    open: async (wanted) => instanceOf(findStrategy(definitions, wanted.strategy), wanted),
    thread() {
      throw new Error("A test's strategies have no thread.");
    },
    close: async () => undefined,
  };
}

function instanceOf(definition: StrategyDefinition | null, wanted: InstanceOptions): StrategyInstance {
  const { strategy, version, params, instrument, snapshot } = wanted;
  if (definition === null) throw strategyFailed(`There is no strategy "${strategy}" here.`);
  if (definition.version !== version) {
    const versions = `version ${version}, but here is ${definition.version}`;
    throw strategyFailed(`The session was made for "${strategy}" in ${versions}.`);
  }
  const runtime = failing(() =>
    guarded("could not begin", () => {
      const made = createStrategyRuntime({ definition, params, instrument });
      if (snapshot !== null) made.restore(snapshot);
      return made;
    }),
  );
  return {
    warmupBars: definition.warmupBars(definition.params.parse(params)),
    forming: definition.forming,
    onBars: async (request) => failing(() => runBars(runtime, { ...request, size: decimal(request.size) }, UNWATCHED)),
    close: () => undefined,
  };
}

function failing<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw strategyFailed((error as Error).message, error);
  }
}
