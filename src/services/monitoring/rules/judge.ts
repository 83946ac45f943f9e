import { FACTS, factOf, type Sample, type Source, valueWords } from "#services/monitoring/facts/facts.ts";
import { isAbout, type Rule } from "./rule.ts";

/** Where a rule is met, since when, and since when no more (null: it is met). UTC epoch milliseconds. */
export interface Condition {
  ruleId: string;
  subject: string;
  sinceMs: number;
  overSinceMs: number | null;
}

/** A rule that is met at a subject for long enough. */
export interface Met {
  rule: Rule;
  sample: Sample;
  sinceMs: number;
}

export interface Judgement {
  /** All that is to be kept. */
  conditions: Condition[];
  /** Whose alert has to be open. */
  met: Met[];
  /** Whose alert stays open if it is: what it is about cannot be seen, or is over too shortly. */
  stay: Pick<Condition, "ruleId" | "subject">[];
}

/** One text for each rule at each subject. */
export function conditionKey({ ruleId, subject }: Pick<Condition, "ruleId" | "subject">): string {
  return `${ruleId} ${subject}`;
}

/** Holds what was measured against the rules. What cannot be seen stays as it was. */
export function judge(
  rules: readonly Rule[],
  { samples, blind }: { samples: readonly Sample[]; blind: Pick<ReadonlySet<Source>, "has"> },
  { before, nowMs }: { before: readonly Condition[]; nowMs: number },
): Judgement {
  const known = new Map(before.map((condition) => [conditionKey(condition), condition]));
  const byFact = Map.groupBy(samples, ({ fact }) => fact);
  const judgement: Judgement = { conditions: [], met: [], stay: [] };
  for (const rule of rules.filter(({ enabled }) => enabled)) {
    for (const sample of byFact.get(rule.fact) ?? []) {
      if (!isAbout(rule, sample.subject) || !isMet(rule, sample.value)) continue;
      const of = { ruleId: rule.id, subject: sample.subject };
      const sinceMs = Math.min(nowMs, known.get(conditionKey(of))?.sinceMs ?? nowMs);
      known.delete(conditionKey(of));
      judgement.conditions.push({ ...of, sinceMs, overSinceMs: null });
      if (nowMs - sinceMs >= rule.forMs) judgement.met.push({ rule, sample, sinceMs });
    }
  }
  for (const condition of known.values()) {
    const left = leftOf(condition, rules, { blind, nowMs });
    if (left === null) continue;
    judgement.conditions.push(left);
    judgement.stay.push(left);
  }
  return judgement;
}

function isMet({ comparison, limit }: Rule, value: number): boolean {
  return comparison === "above" ? value > limit : value < limit;
}

/** What becomes of a condition that is not met now; null: it is over. */
function leftOf(
  condition: Condition,
  rules: readonly Rule[],
  { blind, nowMs }: { blind: Pick<ReadonlySet<Source>, "has">; nowMs: number },
): Condition | null {
  const rule = rules.find(({ id }) => id === condition.ruleId);
  if (rule?.enabled !== true || !isAbout(rule, condition.subject)) return null;
  if (blind.has(factOf(rule.fact).source)) return condition;
  const overSinceMs = Math.min(nowMs, condition.overSinceMs ?? nowMs);
  const wasRaised = overSinceMs - condition.sinceMs >= rule.forMs;
  return wasRaised && nowMs - overSinceMs < rule.endsAfterMs ? { ...condition, overSinceMs } : null;
}

/** The sentences of an alert. */
export function textOf({ rule, sample }: Pick<Met, "rule" | "sample">): string {
  const { unit } = FACTS[sample.fact];
  const [value, limit] = [sample.value, rule.limit].map((number) => valueWords(number, unit));
  const detail = sample.detail === undefined ? "" : `; ${sample.detail}`;
  return `${sample.label}: ${rule.text} (${value}, ${rule.comparison} the limit of ${limit}${detail}.)`;
}
