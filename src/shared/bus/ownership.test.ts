import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { createManualClock } from "#shared/clock/manual.ts";
import type { Leader, Leadership } from "#shared/leader/leader.ts";
import { Ownership } from "./ownership.ts";

const PULSE_MS = 250;

/** A member that is alone, whose takeovers of unit 0 are decided by hand. */
function alone() {
  const clock = createManualClock();
  const takeover = Promise.withResolvers<void>();
  const seen = { beats: 0, left: false, tries: [] as string[], released: [] as string[], ran: [] as number[] };
  const leader: Pick<Leader, "tryLead" | "leaseMs"> = {
    leaseMs: 1_000,
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
    members: {
      beat: async () => {
        seen.beats += 1;
        return ["m"];
      },
      leave: async () => {
        seen.left = true;
      },
    },
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
  return { ownership, clock, takeover, seen };
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
