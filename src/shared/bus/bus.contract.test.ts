import { describeBus } from "./bus-contract.fixture.ts";
import { createMemoryWorld } from "./memory-world.fixture.ts";

describeBus("log and broker in memory", createMemoryWorld);
