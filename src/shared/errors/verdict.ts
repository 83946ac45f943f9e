import { AppError } from "./app-error.ts";

/**
 * What a failure of a handler asks for. unit: whoever works waits for something else, or is not the owner any more; no event
 * and no task is to blame. again: a few quick tries. park: it may pass later. dead: trying again will not help.
 */
export type Verdict = "unit" | "again" | "park" | "dead";

/** By its kind; what is no error of ours (a constraint, a fault in the code) may pass later. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof AppError)) return "park";
  if (error.kind === "outage" || error.code === "FENCED" || error.code === "NOT_YET") return "unit";
  return error.kind === "transient" ? "again" : "dead";
}
