import { afterAll, beforeAll, describe, test } from "bun:test";
import type { World } from "./bus-world.fixture.ts";
import { DELIVERY_CASES } from "./delivery.contract.ts";
import { FAULT_CASES } from "./faults.contract.ts";
import { createMemoryWorld } from "./memory-world.fixture.ts";

describe("the bus over log and broker in memory", () => {
  let world: World;

  beforeAll(async () => {
    world = createMemoryWorld();
  });

  afterAll(async () => {
    await world.close();
  });

  test.each(Object.keys({ ...DELIVERY_CASES, ...FAULT_CASES }))(
    "%s",
    async (name) => {
      await { ...DELIVERY_CASES, ...FAULT_CASES }[name]?.(world);
    },
    20_000,
  );
});
