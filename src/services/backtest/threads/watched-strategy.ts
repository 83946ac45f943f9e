import type { BarName } from "#shared/strategy/failing.ts";
import type { StrategyDefinition } from "#shared/strategy/strategy.ts";
import { type Marks, NO_BAR } from "#shared/strategy-threads/marks.ts";

/** The strategy, with a mark at each bar that its host sees it go on by. */
export function watchedStrategy(definition: StrategyDefinition, marks: Marks, instanceId: number): StrategyDefinition {
  return {
    ...definition,
    create(params) {
      const instance = definition.create(params);
      let work: "slow" | "bar" = "slow";
      let last: BarName = NO_BAR;
      return {
        onBar(bar, context) {
          last = bar;
          marks.begin(work, instanceId, bar);
          work = "bar";
          return instance.onBar(bar, context);
        },
        snapshot() {
          marks.begin("save", instanceId, last);
          return instance.snapshot();
        },
        restore: (snapshot) => instance.restore(snapshot),
      };
    },
  };
}
