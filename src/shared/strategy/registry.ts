import type { StrategyDefinition } from "./strategy.ts";

/** What is wrong with a parameter. Never its value. */
export interface ParamError {
  field: string;
  message: string;
}

/** Whether a strategy takes these parameters; the answer carries them with their defaults. */
export type ParamCheck = { kind: "valid"; params: Record<string, unknown> } | { kind: "invalid"; errors: ParamError[] };

/** The strategy of this name. Null: there is none. */
export function findStrategy(strategies: readonly StrategyDefinition[], name: string): StrategyDefinition | null {
  return strategies.find((definition) => definition.name === name) ?? null;
}

/** Checks parameters against a strategy's schema. */
export function checkParams(definition: StrategyDefinition, params: unknown): ParamCheck {
  const result = definition.params.safeParse(params);
  if (result.success) return { kind: "valid", params: result.data };
  const errors = result.error.issues.flatMap((issue) => {
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : null;
    const fields = unknown === null ? [issue.path] : unknown.map((key) => [...issue.path, key]);
    const message = unknown === null ? issue.message : "is not a parameter of this strategy";
    return fields.map((path) => ({ field: ["params", ...path].join("."), message }));
  });
  return { kind: "invalid", errors };
}
