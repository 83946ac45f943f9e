import { describeBus } from "./bus-contract.fixture.ts";
import { createRedisWorld } from "./redis-world.fixture.ts";

describeBus("Postgres and Redis", createRedisWorld);
