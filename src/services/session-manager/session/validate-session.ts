import { z } from "zod";
import type { CreateSession } from "#services/session-manager/contract.ts";
import type { Session } from "#shared/domain/session.ts";
import { type FieldError, invalidInput } from "#shared/errors/field-error.ts";
import type { ServiceClients } from "#shared/http/clients.ts";
import { faultsOfRequest } from "#shared/risk/check-request.ts";
import { faultsOfStrategy } from "#shared/strategy/registry.ts";

/** What the strategy says of itself, and the parameters with their defaults. */
export interface ValidatedStrategy {
  strategyVersion: string;
  params: Session["params"];
}

const STRATEGY = ["strategy", "params"] as const;
const TRADING = ["instrumentIds", "timeFrame", "accountId", "riskPolicy"] as const;

/** The part of a session that other services have to know. */
export type Checked = Pick<CreateSession, (typeof STRATEGY)[number] | (typeof TRADING)[number]>;
export const CHECKED: readonly string[] = [...STRATEGY, ...TRADING];

/**
 * Asks the services that know about `fields`: strategy and parameters (strategy-executor), instruments (market-data), the
 * account (order-position-tracker). `keepsParams`: the parameters are those from before. INVALID_INPUT names every wrong
 * field at once; SERVICE_UNAVAILABLE: one cannot be asked. Null: neither the strategy nor its parameters were asked about.
 */
export async function validateSession(
  input: Checked,
  { fields, keepsParams }: { fields: readonly string[]; keepsParams: boolean },
  clients: ServiceClients,
): Promise<ValidatedStrategy | null> {
  const about = (names: readonly string[]) => fields.some((field) => names.includes(field));
  const { strategy: name, params } = input;
  const [strategy, faults] = await Promise.all([
    about(STRATEGY) ? clients.strategyExecutor.validate({ strategy: name, params }) : null,
    about(TRADING) ? tradingFaults(input, clients) : [],
  ]);
  const errors = [...faults, ...(strategy === null ? [] : faultsOfStrategy(strategy))];
  const ofKept = keepsParams && strategy?.kind === "invalid-params";
  if (errors.length > 0) throw invalidInput(errors, ofKept ? keptParamsRefused(name, strategy.errors) : undefined);
  if (strategy?.kind !== "valid") return null;
  return { strategyVersion: strategy.strategyVersion, params: z.record(z.string(), z.json()).parse(strategy.params) };
}

/** Who changes a strategy alone has named no parameters that could be wrong. */
function keptParamsRefused(strategy: string, errors: readonly FieldError[]): string {
  const faults = errors.map(({ field, message }) => `${field} ${message}`).join("; ");
  return `The session keeps its params, and ${strategy} does not take them: ${faults}. Give params with the change.`;
}

async function tradingFaults(input: Checked, clients: ServiceClients): Promise<FieldError[]> {
  const { accountId, instrumentIds, timeFrame, riskPolicy } = input;
  const [account, ...instruments] = await Promise.all([
    clients.orderPositionTracker.account(accountId),
    ...instrumentIds.map((id) => clients.marketData.instrument(id)),
  ]);
  const faults = instruments.flatMap((instrument, index) => {
    const field = `instrumentIds.${index}`;
    const strange = instrument !== null && account !== null && instrument.venue !== account.venue;
    const elsewhere = strange ? [{ field, message: "is not of the account's venue" }] : [];
    return [...elsewhere, ...faultsOfRequest({ instrument, timeFrame, riskPolicy }, field)];
  });
  return account === null
    ? [
        ...faults,
        { field: "accountId", message: "is no known account: GET /api/order-position-tracker/accounts lists them" },
      ]
    : faults;
}
