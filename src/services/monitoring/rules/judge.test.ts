import { describe, expect, test } from "bun:test";
import type { Sample, Source } from "#services/monitoring/facts/facts.ts";
import { type Condition, judge, textOf } from "./judge.ts";
import type { Rule } from "./rule.ts";
import { SHIPPED_RULES } from "./shipped-rules.ts";

const RULE: Rule = {
  id: "QUEUE_STUCK",
  fact: "queue.open",
  comparison: "above",
  limit: 10,
  forMs: 1_000,
  endsAfterMs: 500,
  severity: "warning",
  text: "Too many tasks.",
  toDo: "Work.",
  only: [],
  except: [],
  enabled: true,
};
const open = (value: number, queue = "a"): Sample => ({
  fact: "queue.open",
  subject: `queue:${queue}`,
  label: queue,
  value,
});
const SEEN = new Set<Source>();

/** One look after the other, each on what the one before has left. */
function looks(rule: Rule, steps: readonly { atMs: number; samples: Sample[]; blind?: ReadonlySet<Source> }[]) {
  let before: Condition[] = [];
  return steps.map(({ atMs, samples, blind = SEEN }) => {
    const { conditions, met, stay } = judge([rule], { samples, blind }, { before, nowMs: atMs });
    before = conditions;
    return [met.map(({ sample }) => sample.subject), stay.map(({ subject }) => subject)];
  });
}

describe("a rule", () => {
  test("is met once its limit has been passed for long enough without a break", () => {
    const told = looks(RULE, [
      { atMs: 0, samples: [open(11)] },
      { atMs: 999, samples: [open(12)] },
      { atMs: 1_000, samples: [open(11)] },
      { atMs: 1_100, samples: [open(10)] },
      { atMs: 1_599, samples: [open(0)] },
      { atMs: 1_600, samples: [] },
      { atMs: 1_700, samples: [open(11)] },
      { atMs: 2_699, samples: [open(11)] },
    ]);
    const [at, none] = [["queue:a"], [] as string[]];
    expect(told).toEqual([
      [none, none],
      [none, none],
      [at, none],
      [none, at],
      [none, at],
      [none, none],
      [none, none],
      [none, none],
    ]);
  });

  test("that was never told of is over at once", () => {
    const told = looks(RULE, [
      { atMs: 0, samples: [open(11)] },
      { atMs: 900, samples: [open(10)] },
      { atMs: 901, samples: [open(11)] },
      { atMs: 1_900, samples: [open(11)] },
      { atMs: 1_901, samples: [open(11)] },
    ]);
    expect(told.map(([met]) => met)).toEqual([[], [], [], [], ["queue:a"]]);
  });

  test("goes on from where it was when it is met again before it is over", () => {
    const told = looks(RULE, [
      { atMs: 0, samples: [open(11)] },
      { atMs: 1_000, samples: [open(11)] },
      { atMs: 1_200, samples: [open(10)] },
      { atMs: 1_300, samples: [open(11)] },
    ]);
    expect(told.at(-1)).toEqual([["queue:a"], []]);
  });

  test("stays as it is while what it is about cannot be seen", () => {
    const blind = new Set<Source>(["queue"]);
    const told = looks(RULE, [
      { atMs: 0, samples: [open(11)] },
      { atMs: 1_000, samples: [open(11)] },
      { atMs: 99_000, samples: [], blind },
      { atMs: 99_100, samples: [open(11)] },
    ]);
    expect(told.slice(2)).toEqual([
      [[], ["queue:a"]],
      [["queue:a"], []],
    ]);
  });

  test("that is disabled, deleted or about something else by now is over at once", () => {
    const before = [{ ruleId: RULE.id, subject: "queue:a", sinceMs: 0, overSinceMs: null }];
    const seen = { samples: [open(11)], blind: SEEN };
    for (const rules of [[], [{ ...RULE, enabled: false }], [{ ...RULE, except: ["queue:"] }]]) {
      expect(judge(rules, seen, { before, nowMs: 5_000 })).toEqual({ conditions: [], met: [], stay: [] });
    }
  });

  test("is about the subjects that it names", () => {
    const rule = { ...RULE, forMs: 0, only: ["queue:a", "queue:b"], except: ["queue:bc"] };
    const samples = ["a", "b", "bc", "c"].map((queue) => open(11, queue));
    expect(looks(rule, [{ atMs: 0, samples }])).toEqual([[["queue:a", "queue:b"], []]]);
  });

  test("may be met below its limit", () => {
    const rule = { ...RULE, forMs: 0, comparison: "below" as const, limit: 1 };
    expect(looks(rule, [{ atMs: 0, samples: [open(0, "a"), open(1, "b")] }])).toEqual([[["queue:a"], []]]);
  });

  test("counts from now where the clock of the leader before was ahead", () => {
    const before = [{ ruleId: RULE.id, subject: "queue:a", sinceMs: 99_999, overSinceMs: null }];
    const { conditions } = judge([RULE], { samples: [open(11)], blind: SEEN }, { before, nowMs: 5_000 });
    expect(conditions).toEqual([{ ruleId: RULE.id, subject: "queue:a", sinceMs: 5_000, overSinceMs: null }]);
  });

  test("says value and limit in their unit", () => {
    const rule = { ...RULE, fact: "queue.waited" as const, limit: 60_000 };
    const sample: Sample = {
      fact: "queue.waited",
      subject: "queue:a",
      label: "a",
      value: 75_400,
      detail: "3 are open",
    };
    expect(textOf({ rule, sample })).toBe("a: Too many tasks. (75 s, above the limit of 60 s; 3 are open.)");
  });
});

test("every rule that is shipped is one, and none is met where all is well", () => {
  expect(SHIPPED_RULES.length).toBeGreaterThan(10);
  const well: Sample[] = [
    { fact: "service.ready", subject: "service:a", label: "a", value: 1 },
    { fact: "instance.silent", subject: "instance:a/1", label: "a", value: 2_000 },
    { fact: "instance.waits", subject: "instance:a/1", label: "a", value: 0 },
    { fact: "redis.memory", subject: "redis", label: "Redis", value: 10 },
    { fact: "queue.waited", subject: "queue:backtest", label: "backtest", value: 1e7 },
  ];
  const judged = judge(SHIPPED_RULES, { samples: well, blind: SEEN }, { before: [], nowMs: 0 });
  expect(judged.conditions).toEqual([]);
});
