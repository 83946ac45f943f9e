import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Suspect, type SuspectGroup, Suspects } from "./suspects.ts";

const session = (n: number, strategy: string): Suspect => ({ sessionId: `${n}`, strategy });

test("strategies are told apart before sessions", () => {
  const suspects = new Suspects<string>();
  const all = [session(1, "a"), session(2, "b"), session(3, "a"), session(4, "b")];
  suspects.split(all);
  const groups = all.map(({ sessionId }) => suspects.groupOf(sessionId));
  expect(groups[0]).toBe(groups[2] as never);
  expect(groups[1]).toBe(groups[3] as never);
  expect(groups[0]).not.toBe(groups[1] as never);
});

test("whoever ends each thread it is in is alone after as many endings as halve all of them", () => {
  const sessions = fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 2, maxLength: 60 });
  fc.assert(
    fc.property(sessions, fc.nat(), (strategies, seed) => {
      const suspects = new Suspects<string>();
      const culprit = `${seed % strategies.length}`;
      let inside = strategies.map((strategy, n) => session(n, strategy));
      let endings = 0;
      for (; inside.length > 1; endings += 1) {
        suspects.split(inside);
        const group = suspects.groupOf(culprit);
        inside = inside.filter(({ sessionId }) => suspects.groupOf(sessionId) === group);
      }
      expect(inside).toMatchObject([{ sessionId: culprit }]);
      expect(endings).toBeLessThanOrEqual(Math.ceil(Math.log2(strategies.length)) + 2);
    }),
  );
});

test("threads of suspects are bounded, and who has ended its work is none", () => {
  const suspects = new Suspects<string>();
  const groups: SuspectGroup<string>[] = [];
  for (let n = 0; n < 20; n += 1) {
    suspects.split([session(n, "a"), session(100 + n, "b")]);
    const group = suspects.groupOf(`${n}`);
    if (group === null) continue;
    group.thread = `thread ${n}`;
    groups.push(group);
  }
  expect(groups.length).toBe(16);
  expect(suspects.groupOf("0")).toBe(groups[0] as never);
  suspects.acquit("0");
  expect(suspects.groupOf("0")).toBeNull();
  expect(suspects.groupOf("19")).not.toBeNull();
});
