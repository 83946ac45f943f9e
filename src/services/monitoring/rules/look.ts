import { forgetOldAlerts, matchOpenAlerts } from "#services/monitoring/alerts/alert-store.ts";
import { alerts } from "#services/monitoring/alerts.ts";
import { type Context, knownInstances } from "#services/monitoring/context.ts";
import { FACTS } from "#services/monitoring/facts/facts.ts";
import { type Measured, measure } from "#services/monitoring/facts/measure.ts";
import { noteRoleChanges, writeInstances } from "#services/monitoring/instances/instance-store.ts";
import type { Standings } from "#services/monitoring/instances/standings.ts";
import { type AlertKind, severitySchema } from "#shared/alerts/alert-kinds.ts";
import { readOpen } from "#shared/alerts/open-alerts.ts";
import { type Alert, clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Running } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { type Condition, conditionKey, type Judgement, judge, type Met, textOf } from "./judge.ts";
import type { KeptRule } from "./rule.ts";
import { noteLook, readForJudgement, writeConditions, writeShipped } from "./rule-store.ts";
import { SHIPPED_RULES } from "./shipped-rules.ts";

/** The role that one instance has at a time. */
export const ROLE = "monitoring:look";
const DAY_MS = 86_400_000;
/** How long the event of an alert is waited for. */
const ADOPTS_AFTER_MS = 60_000;

/** The kinds that rules raise, by the code. */
const KINDS: Readonly<Record<string, AlertKind>> = alerts;

/** Leads whenever nobody else does: measures, and holds what it finds against the rules. One that does not lead is ready all the same. */
export function keepLooking(context: Context): Running {
  const { clock, leader, db } = context.deps;
  const stopping = new AbortController();
  const led = leader.lead(ROLE, stopping.signal, async (leadership) => {
    await db.transaction(async (tx) => {
      await leader.fence(tx, ROLE, leadership.epoch);
      await writeShipped(tx, SHIPPED_RULES, clock.nowMs());
    });
    while (!leadership.signal.aborted) {
      await look(context, leadership);
      await clock.sleep(context.settings.R3_MONITORING_LOOK_MS, leadership.signal);
    }
  });
  return {
    ready: Promise.resolve(),
    async close() {
      stopping.abort();
      await led;
    },
  };
}

/** One look: what it comes to is one transaction, which begins with the fence. Who was deposed and does not know it yet writes nothing. */
export async function look(context: Context, { epoch }: Pick<Leadership, "epoch">): Promise<void> {
  const { deps, settings, hearing } = context;
  const nowMs = deps.clock.nowMs();
  const standings = await knownInstances(context);
  const measured = await measure(deps, hearing.hears(nowMs) ? standings : null);
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, ROLE, epoch);
    const { rules, before } = await readForJudgement(tx);
    const judgement = judge(rules, measured, { before, nowMs });
    await writeSeen(tx, { standings, measured, nowMs, forgetMs: settings.R3_MONITORING_FORGET_MS });
    await writeConditions(tx, differenceOf(before, judgement.conditions));
    await matchOpenAlerts(tx, { nowMs, beforeMs: nowMs - ADOPTS_AFTER_MS });
    await forgetOldAlerts(tx, nowMs - settings.R3_MONITORING_ALERTS_KEEP_DAYS * DAY_MS);
    await noteLook(tx, epoch, { atMs: nowMs, blind: Object.fromEntries(measured.blind) });
    await tell(tx, context, { rules, judgement });
  });
}

async function writeSeen(
  tx: Tx,
  seen: { standings: readonly Standings[]; measured: Measured; nowMs: number; forgetMs: number },
): Promise<void> {
  const { standings, measured, nowMs, forgetMs } = seen;
  await writeInstances(tx, standings, nowMs - forgetMs);
  if (measured.roles !== null) await noteRoleChanges(tx, measured.roles, { nowMs, forgetBeforeMs: nowMs - DAY_MS });
}

function differenceOf(
  before: readonly Condition[],
  after: readonly Condition[],
): { changed: Condition[]; over: Condition[] } {
  const old = new Map(before.map((condition) => [conditionKey(condition), condition]));
  const changed = after.filter((condition) => {
    const known = old.get(conditionKey(condition));
    old.delete(conditionKey(condition));
    return known?.sinceMs !== condition.sinceMs || known.overSinceMs !== condition.overSinceMs;
  });
  return { changed, over: [...old.values()] };
}

/** Alerts that one look raises, and that it ends: so its transaction has a bound, and the next looks go on. */
const MOST_TOLD = 500;

/** Raises what is met and not told yet, the critical ones first, and ends what is neither met nor to stay. The table of open alerts knows what was told, whoever told it. */
async function tell(
  tx: Tx,
  { deps }: Context,
  { rules, judgement }: { rules: readonly KeptRule[]; judgement: Judgement },
): Promise<void> {
  const shipped = new Map(rules.map(({ id, shipped }) => [id, shipped]));
  const addressOf = (ruleId: string, subject: string) => alertAddress(ruleId, shipped.get(ruleId) === true, subject);
  const open = new Map((await readOpen(tx, Object.keys(KINDS))).map((one) => [`${one.code} ${one.scope}`, one]));
  const isOpen = (at: { scope: string; kind: AlertKind }) => open.delete(`${at.kind.code} ${at.scope}`);
  const toRaise: Alert[] = [];
  for (const met of judgement.met) {
    const at = addressOf(met.rule.id, met.sample.subject);
    if (isOpen(at)) continue;
    const kind = { ...at.kind, severity: met.rule.severity };
    toRaise.push({ scope: at.scope, kind, text: textOf(met), data: dataOf(met) });
  }
  for (const { ruleId, subject } of judgement.stay) isOpen(addressOf(ruleId, subject));
  const toEnd = [...open.values()].flatMap(({ scope, code }) => {
    const kind = KINDS[code];
    return kind === undefined ? [] : [{ scope, kind }];
  });
  const first = toRaise.length > MOST_TOLD ? inTurn(toRaise).slice(0, MOST_TOLD) : toRaise;
  for (const alert of first.toSorted(byScope)) await raiseAlert(tx, deps, alert);
  for (const alert of toEnd.toSorted(byScope).slice(0, MOST_TOLD)) await clearAlert(tx, deps, alert);
}

/** The critical ones first, and of each code one after the other: many of one hold back none of another. */
function inTurn(alerts: readonly Alert[]): Alert[] {
  const weightOf = ({ kind: { severity } }: Alert): number => severitySchema.options.indexOf(severity);
  return [...Map.groupBy(alerts, ({ kind: { code } }) => code).values()]
    .flatMap((own) => own.map((alert, place) => ({ alert, place })))
    .toSorted((a, b) => weightOf(b.alert) - weightOf(a.alert) || a.place - b.place)
    .map(({ alert }) => alert);
}

function byScope(a: Pick<Alert, "scope">, b: Pick<Alert, "scope">): number {
  return a.scope < b.scope ? -1 : 1;
}

/** A shipped rule raises the alert of its name; those of persons share one, and their scope names the rule. */
function alertAddress(ruleId: string, shipped: boolean, subject: string): { scope: string; kind: AlertKind } {
  const own = shipped ? KINDS[ruleId] : undefined;
  if (own !== undefined) return { scope: subject, kind: own };
  return { scope: `rule:${ruleId}/${subject}`, kind: alerts.RULE_MET };
}

function dataOf({ rule, sample, sinceMs }: Met): Alert["data"] {
  const { fact, subject, value } = sample;
  const { id, limit, toDo } = rule;
  return { rule: id, fact, subject, value, limit, unit: FACTS[fact].unit, sinceMs, toDo };
}
