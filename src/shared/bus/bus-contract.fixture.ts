import { afterAll, afterEach, beforeAll, describe, test } from "bun:test";
import type { World } from "./bus-world.fixture.ts";
import { DEAD_CASES } from "./dead.contract.ts";
import { DELIVERY_CASES } from "./delivery.contract.ts";
import { FAULT_CASES } from "./faults.contract.ts";
import { OVERDUE_CASES } from "./overdue.contract.ts";
import { OWNING_CASES } from "./owning.contract.ts";
import { POISON_CASES } from "./poison.contract.ts";

const CASES = { ...DELIVERY_CASES, ...FAULT_CASES, ...POISON_CASES, ...DEAD_CASES, ...OVERDUE_CASES, ...OWNING_CASES };

/** Declares what every log with every broker has to do, as tests over one world. */
export function describeBus(over: string, createWorld: () => Promise<World> | World): void {
  describe(`the bus over ${over}`, () => {
    let world: World;

    beforeAll(async () => {
      world = await createWorld();
    });

    afterEach(() => world.leave());

    afterAll(async () => {
      await world.close();
    });

    test.each(Object.keys(CASES))(
      "%s",
      async (name) => {
        await CASES[name]?.(world);
      },
      20_000,
    );
  });
}
