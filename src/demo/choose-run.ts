import type { DemoRun } from "./demo-run.ts";
import type { UpOptions } from "./up-options.ts";

/** What becomes of the demo in the data folder, and what a person is told about it. Null: nothing. */
export type Choice = { kind: "go on"; run: DemoRun; says: string } | { kind: "begin"; says: string | null };

/**
 * An unfinished demo is taken up again, a finished one is shown; it makes room for a new one where that was asked for:
 * by --fresh, --kill, --faults, another number of bars, or a demo to its end.
 */
export function chooseRun(found: DemoRun | null, options: UpOptions): Choice {
  if (found === null) return { kind: "begin", says: null };
  const { done, bars } = found;
  const what = `${done ? "finished" : "unfinished"} demo of ${bars} bars`;
  const isPlanned = options.plan.length > 0 || options.faults !== null;
  const another = options.fresh || isPlanned || (options.bars ?? bars) !== bars;
  if (another || (done && options.untilDemoEnds))
    return { kind: "begin", says: `The ${what} in the data folder makes room for a new one.` };
  if (!done) return { kind: "go on", run: found, says: `The ${what} in the data folder goes on.` };
  return { kind: "go on", run: found, says: `The ${what} is in the data folder; \`bin/up --fresh\` plays a new one.` };
}
