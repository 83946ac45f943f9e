import { type FieldError, faultsOf } from "#shared/errors/field-error.ts";
import type { StrategyDefinition } from "./strategy.ts";

/** Whether a strategy takes these parameters; the answer carries them with their defaults. */
export type ParamCheck = { kind: "valid"; params: Record<string, unknown> } | { kind: "invalid"; errors: FieldError[] };

/** The strategy of this name. Null: there is none. */
export function findStrategy(strategies: readonly StrategyDefinition[], name: string): StrategyDefinition | null {
  return strategies.find((definition) => definition.name === name) ?? null;
}

/** Checks parameters against a strategy's schema. */
export function checkParams(definition: StrategyDefinition, params: unknown): ParamCheck {
  const result = definition.params.safeParse(params);
  if (result.success) return { kind: "valid", params: result.data };
  return { kind: "invalid", errors: faultsOf(definition.params, params, ["params"]) };
}
