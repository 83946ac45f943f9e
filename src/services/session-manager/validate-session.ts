import { z } from "zod";
import { decimal } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import { type FieldError, invalidInput } from "#shared/errors/field-error.ts";
import type { ServiceClients } from "#shared/http/clients.ts";
import type { CreateSession } from "./contract.ts";

/** What the strategy says of itself, and the parameters with their defaults. */
export interface ValidatedStrategy {
  strategyVersion: string;
  params: Session["params"];
}

/** The part of a session that other services have to know. */
export type Checked = Pick<CreateSession, "strategy" | "params" | "instrumentIds" | "accountId">;

/**
 * Asks the services that know: strategy and parameters (strategy-executor), instruments (market-data), the account
 * (order-position-tracker). INVALID_INPUT with every wrong field at once; SERVICE_UNAVAILABLE when one cannot be asked.
 */
export async function validateSession(input: Checked, clients: ServiceClients): Promise<ValidatedStrategy> {
  const [strategy, instruments, account] = await Promise.all([
    clients.strategyExecutor.validate({ strategy: input.strategy, params: input.params }),
    Promise.all(input.instrumentIds.map((id) => clients.marketData.instrument(id))),
    clients.orderPositionTracker.account(input.accountId),
  ]);
  const errors = [...instrumentFaults(instruments, account?.venue)];
  if (account === null) errors.push({ field: "accountId", message: "is no known account" });
  if (strategy.kind === "unknown-strategy") {
    errors.push({ field: "strategy", message: `must be one of ${strategy.known.join(", ")}` });
  }
  if (strategy.kind === "invalid-params") {
    errors.push(...strategy.errors.map(({ field, message }) => ({ field: paramsField(field), message })));
  }
  if (errors.length > 0 || strategy.kind !== "valid") throw invalidInput(errors);
  return { strategyVersion: strategy.strategyVersion, params: z.record(z.string(), z.json()).parse(strategy.params) };
}

/** What can be seen of a risk policy alone: more than the whole equity can never be bought. */
export function checkRiskPolicy(policy: Session["riskPolicy"]): void {
  if (policy.sizing.method !== "percent-of-equity" || decimal(policy.sizing.percent).lte(100)) return;
  throw invalidInput([{ field: "riskPolicy.sizing.percent", message: "must be 100 at most" }]);
}

function instrumentFaults(instruments: readonly (Instrument | null)[], venue: string | undefined): FieldError[] {
  return instruments.flatMap((instrument, index) => {
    const field = `instrumentIds.${index}`;
    if (instrument === null) return [{ field, message: "is unknown to every venue" }];
    if (venue !== undefined && instrument.venue !== venue) return [{ field, message: "is not of the account's venue" }];
    return [];
  });
}

function paramsField(field: string): string {
  return field === "" || field === "params" || field.startsWith("params.") ? field || "params" : `params.${field}`;
}
