import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "#shared/errors/app-error.ts";
import type { Failpoint, FailpointContext, Failpoints } from "./failpoints.ts";

/** Where to die: the first passing of `point` at or after the bar and the order given. */
export interface FailpointPlan {
  point: Failpoint;
  bar?: number | undefined;
  order?: number | undefined;
}

export interface FailpointOptions {
  plans: readonly FailpointPlan[];
  /** Where the marks of used failpoints stand. One folder for all processes of a system. */
  folder: string | undefined;
  /** Whether a real venue is configured. */
  live: boolean;
  nowMs: () => number;
  /** Ends the process at once. Default: SIGKILL to itself. */
  die?: () => void;
}

/** Failpoints that never fire. */
export const noFailpoints: Failpoints = { hit: () => undefined };

/**
 * Places where the process may be told to die. Each plan fires once ever, whichever process of the system passes it
 * first and however often that is started again: its mark `<index>-<point>.json` is created exclusively, holds
 * `{ point, bar, order, atMs }`, and is on the disk before the process dies.
 *
 * @throws AppError SETTINGS_INVALID with a real venue, or without a folder.
 */
export function createFailpoints(options: FailpointOptions): Failpoints {
  const { plans, folder } = options;
  if (plans.length === 0) return noFailpoints;
  if (options.live) throw refused("R3_FAILPOINTS is set, but a real venue is configured: take one of them away.");
  if (folder === undefined) throw refused("R3_FAILPOINTS needs R3_FAILPOINT_FOLDER, a folder for its marks.");
  mkdirSync(folder, { recursive: true });
  const markOf = (index: number, plan: FailpointPlan) => join(folder, `${index}-${plan.point}.json`);
  const open = new Map(
    plans.map((plan, index) => [markOf(index, plan), plan] as const).filter(([mark]) => !existsSync(mark)),
  );
  const die = options.die ?? (() => process.kill(process.pid, "SIGKILL"));
  return {
    hit(point, context) {
      for (const [mark, plan] of open) {
        if (!matches(plan, point, context)) continue;
        open.delete(mark);
        if (!leaveMark(mark, { point, bar: context.bar, order: context.order, atMs: options.nowMs() })) continue;
        die();
        return;
      }
    },
  };
}

/** A plan that names a bar or an order fires at places that know it alone. */
function matches(plan: FailpointPlan, point: Failpoint, context: FailpointContext): boolean {
  if (plan.point !== point) return false;
  if (plan.bar !== undefined && (context.bar === undefined || context.bar < plan.bar)) return false;
  return plan.order === undefined || (context.order !== undefined && context.order >= plan.order);
}

/** False: another process was here first. */
function leaveMark(path: string, content: Record<string, unknown>): boolean {
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
  writeSync(file, JSON.stringify(content));
  fsyncSync(file);
  closeSync(file);
  return true;
}

function refused(text: string): AppError {
  return new AppError("SETTINGS_INVALID", "permanent", text);
}
