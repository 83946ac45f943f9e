import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { createManualClock } from "#shared/clock/manual.ts";
import type { Leader, Leadership } from "#shared/leader/leader.ts";
import type { Allotment } from "./allotment.ts";
import { Ownership } from "./ownership.ts";
import { allotmentOf } from "./rendezvous-allotment.ts";

const PULSE_MS = 250;
const LEASE_MS = 1_000;

/** What a member has done. */
function seenBy() {
  return { beats: 0, left: false, tries: [] as string[], released: [] as string[], ran: [] as number[] };
}

/** A member of two units whose takeovers of unit 0 are decided by hand. */
function memberOf(seen: ReturnType<typeof seenBy>, allotment: Allotment) {
  const clock = createManualClock();
  const takeover = Promise.withResolvers<void>();
  const leader: Pick<Leader, "tryLead" | "leaseMs"> = {
    leaseMs: LEASE_MS,
    async tryLead(role) {
      seen.tries.push(role);
      if (role.endsWith(":0")) await takeover.promise;
      const release = async () => void seen.released.push(role);
      return { role, epoch: 1, signal: new AbortController().signal, release } satisfies Leadership;
    },
  };
  const ownership = new Ownership({
    group: "g",
    member: "m",
    units: 2,
    allotment,
    leader: leader as Leader,
    clock,
    log: pino({ level: "silent" }),
    onTaken: () => Promise.resolve(),
    run: async ({ partition, signal }) => {
      seen.ran.push(partition);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
    pulseMs: PULSE_MS,
  });
  return { ownership, clock, takeover };
}

/** A member that is alone, by the log's members. */
function alone() {
  const seen = seenBy();
  const logStore = {
    beat: async () => {
      seen.beats += 1;
      return ["m"];
    },
    leave: async () => {
      seen.left = true;
    },
  };
  const allotment = allotmentOf({ broker: {}, logStore, leader: { leaseMs: LEASE_MS } }, "g", "m");
  return { seen, ...memberOf(seen, allotment) };
}

describe("a member whose takeover waits", () => {
  test("goes on to announce itself, works its other units, and tries once", async () => {
    const { ownership, clock, takeover, seen } = alone();
    let isReady = false;
    void ownership.ready.then(() => {
      isReady = true;
    });
    ownership.start();
    await clock.advance(PULSE_MS * 10);
    expect(seen.beats).toBeGreaterThanOrEqual(10);
    expect(seen.ran).toEqual([1]);
    expect(seen.tries).toEqual(["unit:g:0", "unit:g:1"]);
    expect(isReady).toBe(false);
    takeover.resolve();
    await clock.advance(PULSE_MS);
    expect(seen.ran).toEqual([1, 0]);
    expect(isReady).toBe(true);
    await ownership.stop();
  });

  test("leaves at once, and gives back what it wins after that", async () => {
    const { ownership, clock, takeover, seen } = alone();
    ownership.start();
    await clock.advance(PULSE_MS);
    let isStopped = false;
    const stopping = ownership.stop().then(() => {
      isStopped = true;
    });
    await clock.advance(PULSE_MS);
    expect(seen.left).toBe(true);
    expect(isStopped).toBe(false);
    takeover.resolve();
    await stopping;
    expect(seen.ran).toEqual([1]);
    expect(seen.released.toSorted()).toEqual(["unit:g:0", "unit:g:1"]);
  });
});

describe("a broker that shares units out itself", () => {
  /** Whose each unit is by the broker; unit 0 is never ours. */
  function shared(steadyMs: number) {
    const seen = seenBy();
    const target = { ofOne: "other" };
    const own: Allotment = {
      steadyMs,
      look: async () => (unit) => (unit === 1 ? target.ofOne : "other"),
      leave: async () => {
        seen.left = true;
      },
    };
    const nobody = {
      beat: () => Promise.reject(new Error("asked")),
      leave: () => Promise.reject(new Error("told")),
    };
    const sources = { broker: { allotment: () => own }, logStore: nobody, leader: { leaseMs: LEASE_MS } };
    return { seen, target, ...memberOf(seen, allotmentOf(sources, "g", "m")) };
  }

  test("is asked in place of the log's members, and told of a leave", async () => {
    const { ownership, clock, seen, target } = shared(0);
    ownership.start();
    await clock.advance(PULSE_MS * 4);
    expect(seen.tries).toEqual([]);
    target.ofOne = "m";
    await clock.advance(PULSE_MS);
    expect([seen.tries, seen.ran]).toEqual([["unit:g:1"], [1]]);
    await ownership.stop();
    expect(seen.left).toBe(true);
  });

  test.each([
    [0, PULSE_MS],
    [LEASE_MS, LEASE_MS],
  ])("has a unit given up that another member should have for %i ms", async (steadyMs, waitMs) => {
    const { ownership, clock, seen, target } = shared(steadyMs);
    target.ofOne = "m";
    ownership.start();
    await clock.advance(PULSE_MS);
    target.ofOne = "other";
    // The pulse that sees the new target, and those until it has stood long enough.
    await clock.advance(PULSE_MS + waitMs - 1);
    expect(seen.released).toEqual([]);
    await clock.advance(1);
    expect(seen.released).toEqual(["unit:g:1"]);
    await ownership.stop();
  });
});
