import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { memberFor } from "./rendezvous.ts";

const members = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 8 });
const unit = fc.integer({ min: 0, max: 63 });

describe("memberFor", () => {
  test("names no one in an empty group", () => {
    expect(memberFor(0, [])).toBeUndefined();
  });

  test("does not depend on the order in which members are given", () => {
    fc.assert(fc.property(members, unit, (all, n) => memberFor(n, all) === memberFor(n, all.toReversed())));
  });

  test("moves only the units of a member that goes", () => {
    fc.assert(
      fc.property(members, unit, (all, n) => {
        const [gone, ...rest] = all;
        return memberFor(n, all) === gone || memberFor(n, all) === memberFor(n, rest);
      }),
    );
  });

  test("shares units out about evenly", () => {
    const all = ["one", "two", "three", "four"];
    const owners = Array.from({ length: 400 }, (_, n) => memberFor(n, all));
    for (const member of all) expect(owners.filter((owner) => owner === member).length).toBeGreaterThan(60);
  });
});
