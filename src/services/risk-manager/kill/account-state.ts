import type { Sql, Tx } from "#shared/db/db.ts";
import { readRiskStates } from "#shared/db/reference-rows.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { scopeOf } from "#shared/risk/risk-scope.ts";
import { effectiveStateOf, type OwnState, sayOwnState, sayRiskState } from "#shared/risk/risk-state-rule.ts";
import { type KillDeps, noAccount, refuseUnknown } from "./kill.ts";
import type { AccountState, TradingStateWish } from "./kill-contract.ts";
import {
  lockRiskStates,
  readAccount,
  readAccounts,
  removeRiskState,
  standingKills,
  writeRiskState,
} from "./kill-store.ts";
import { endHalt } from "./release.ts";
import { urgently } from "./urgently.ts";

const configuredOf = ({ exchanges }: KillDeps) => exchanges.accounts.map(({ id }) => id);

/** What an account takes, and what holds it. NOT_FOUND: it is not known. */
export async function readAccountState(deps: KillDeps, id: string, sql: Sql = deps.db.sql): Promise<AccountState> {
  const own = await readAccount(sql, id, configuredOf(deps));
  const [state] = own === null ? [] : await statesOf(deps, sql, [own]);
  if (state === undefined) throw noAccount(id);
  return state;
}

/** The same of all accounts by their ids, after `afterId`. */
export async function readAccountStates(
  deps: KillDeps,
  { afterId, limit }: { afterId: string; limit: number },
): Promise<AccountState[]> {
  const { sql } = deps.db;
  return statesOf(deps, sql, await readAccounts(sql, { configured: configuredOf(deps), afterId, limit }));
}

async function statesOf({ clock }: KillDeps, sql: Sql, accounts: readonly OwnState[]): Promise<AccountState[]> {
  const scopes = ["all", ...accounts.map(({ id }) => scopeOf({ account: id }))];
  const [states, kills] = await Promise.all([readRiskStates(sql, scopes, clock.nowMs()), standingKills(sql, scopes)]);
  return accounts.map((own) => {
    const concerns = ({ scope }: { scope: string }) => scope === "all" || scope === scopeOf({ account: own.id });
    const killIds = kills.filter(concerns).map(({ id }) => id);
    return { accountId: own.id, kills: killIds, ...effectiveStateOf(own, states.find(concerns) ?? null) };
  });
}

/**
 * Sets what an account takes. ACTIVE ends its halt, with its kills; REDUCING and HALTED close nothing by themselves.
 *
 * @throws AppError NOT_FOUND where it is not known; CONFLICT where it would not be ACTIVE all the same, or a kill is not flat yet
 */
export async function setAccountState(
  deps: KillDeps,
  { accountId, wish, caller }: { accountId: string; wish: TradingStateWish; caller: string },
): Promise<AccountState> {
  const target = { account: accountId };
  const scope = scopeOf(target);
  const { tradingState, abandon } = wish;
  return urgently(deps, async (tx) => {
    await lockRiskStates(tx);
    await refuseUnknown(tx, deps, target);
    if (tradingState === "ACTIVE") {
      await refuseHeldElsewhere(tx, deps, accountId);
      await endHalt(tx, deps, target, abandon);
      await removeRiskState(tx, scope);
      tx.afterCommit(() => deps.log.warn({ accountId }, "released"));
      return readAccountState(deps, accountId, tx.sql);
    }
    const isKilled = (await standingKills(tx.sql, [scope])).length > 0;
    if (tradingState === "REDUCING" || !isKilled) {
      if (isKilled) await endHalt(tx, deps, target, abandon);
      const cause = wish.reason === undefined ? `set by ${caller}` : `set by ${caller}: ${wish.reason}`;
      const level = tradingState === "HALTED" ? 3 : 2;
      await writeRiskState(tx, { scope, level, cause, sinceMs: deps.clock.nowMs() });
      tx.afterCommit(() => deps.log.warn({ accountId, tradingState, cause }, "trading state set"));
    }
    return readAccountState(deps, accountId, tx.sql);
  });
}

/** What else holds the account is ended where it began. */
async function refuseHeldElsewhere({ sql }: Tx, deps: KillDeps, accountId: string): Promise<void> {
  const own = await readAccount(sql, accountId, configuredOf(deps));
  if (own !== null && own.tradingState !== "ACTIVE") {
    const text = `${sayOwnState(own)} Its alert in GET /api/monitoring/alerts says what ends that.`;
    throw new AppError("CONFLICT", "permanent", text, { details: { accountId } });
  }
  const [all] = await readRiskStates(sql, ["all"], deps.clock.nowMs());
  if (all === undefined) return;
  const text = `${sayRiskState(all)} POST /api/risk-manager/release {"all": true} ends that first.`;
  throw new AppError("CONFLICT", "permanent", text, { details: { accountId } });
}
