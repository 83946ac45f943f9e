import { z } from "zod";
import { type FieldError, faultsOf } from "#shared/errors/field-error.ts";
import type { StrategyDefinition } from "./strategy.ts";

/**
 * Whether a strategy is known and takes these parameters; the answer carries them with their defaults. `faults`: sentences about
 * files that could not be loaded, where the strategy may stand.
 */
export type StrategyCheck =
  | { kind: "valid"; strategyVersion: string; params: Record<string, unknown> }
  | { kind: "unknown-strategy"; known: string[]; faults: string[] }
  | { kind: "invalid-params"; errors: FieldError[] };

/** The strategy of this name. Null: there is none. */
export function findStrategy(strategies: readonly StrategyDefinition[], name: string): StrategyDefinition | null {
  return strategies.find((definition) => definition.name === name) ?? null;
}

/** Looks a strategy up and checks parameters against its schema. */
export function checkStrategy(
  strategies: readonly StrategyDefinition[],
  { strategy, params }: { strategy: string; params?: unknown },
): StrategyCheck {
  const definition = findStrategy(strategies, strategy);
  if (definition === null) return { kind: "unknown-strategy", known: strategies.map(({ name }) => name), faults: [] };
  const schema = definition.params;
  const result = schema.safeParse(params);
  if (result.success) return { kind: "valid", strategyVersion: definition.version, params: result.data };
  const isMisnamed = result.error.issues.some(({ code, path }) => code === "unrecognized_keys" && path.length === 0);
  return { kind: "invalid-params", errors: faultsOf(isMisnamed ? withoutRules(schema) : schema, params, ["params"]) };
}

/** Beside a wrong name a rule across parameters would judge a default that is not what was meant. */
function withoutRules(schema: z.ZodObject): z.ZodType {
  return schema instanceof z.ZodObject ? z.strictObject(schema.shape) : schema;
}

/** The fields of a request that a check refuses. Empty: it is valid. */
export function faultsOfStrategy(check: StrategyCheck): FieldError[] {
  if (check.kind === "invalid-params") return check.errors;
  if (check.kind === "valid") return [];
  const message =
    check.known.length === 0 ? "is not known: there are none" : `must be one of ${check.known.join(", ")}`;
  return [{ field: "strategy", message: [message, ...check.faults].join("; ") }];
}
