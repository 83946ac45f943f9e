import { afterEach, beforeEach, expect, test } from "bun:test";
import { basename } from "node:path";
import { AppError } from "#shared/errors/app-error.ts";
import { readCatalogue } from "./catalogue.ts";
import { type StrategyFolder, strategyFolder } from "./thread-host.fixture.ts";

let folder: StrategyFolder;
beforeEach(async () => {
  folder = await strategyFolder();
});
afterEach(() => folder.remove());

test("files that never come back hold up no other one, and are told of in their order", async () => {
  const names = Array.from({ length: 20 }, (_, index) => `${String(index).padStart(2, "0")}.ts`);
  for (const name of names) await folder.writeFile(name, "");
  let underWay = 0;
  let most = 0;
  const ended = Promise.withResolvers<never>();
  const inspect = async (file: string) => {
    underWay += 1;
    most = Math.max(most, underWay);
    // The first eight hang until all of them do.
    if (Number(basename(file, ".ts")) < 8) {
      if (underWay === 8) ended.reject(new AppError("STRATEGY_FAILED", "permanent", "It did not come back."));
      await ended.promise.finally(() => {
        underWay -= 1;
      });
    } else underWay -= 1;
    return [];
  };
  const { faults } = await readCatalogue([folder.path], { inspect, clock: { sleep: () => Promise.resolve() } });
  expect(most).toBe(8);
  expect(faults.map(({ file }) => basename(file))).toEqual(names.slice(0, 8));
  expect(faults[0]?.told).toBe("00.ts cannot be loaded: It did not come back.");
});
