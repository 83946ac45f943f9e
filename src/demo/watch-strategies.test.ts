import { afterAll, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { bodyOf, strategyFolder } from "#shared/strategy-threads/thread-host.fixture.ts";
import { watchStrategies } from "./watch-strategies.ts";

const folder = await strategyFolder();
const end = new AbortController();
afterAll(() => folder.remove());

test("what is wrong with strategies is said at first and after each change, once, and when nothing is any more", async () => {
  await folder.write("one", bodyOf("context.wantLong(5)"));
  const said: string[] = [];
  let faults = ["one.ts cannot be loaded"];
  const watching = watchStrategies({
    folders: [folder.path],
    dataFolder: `${folder.path}/data`,
    faults: async () => faults,
    say: (line) => said.push(line),
    signal: end.signal,
  });
  const about = (what: string) => said.filter((line) => line.startsWith(what));
  await until(() => about("Types").length === 1);
  expect(about("Types")[0]).toMatch(/^Types of strategies: .*one\.ts, line 6: Expected 0 arguments, but got 1\.$/);
  expect(about("Strategies")).toEqual(["Strategies: one.ts cannot be loaded"]);
  await folder.write("two", bodyOf("context.wantShort()"));
  await until(() => about("Types").length === 2);
  expect(about("Types")[1]).toMatch(/two\.ts, line 6: /);
  faults = [];
  await folder.write("one", bodyOf(""));
  await folder.write("two", bodyOf(""));
  await until(() => about("Types").length === 3 && about("Strategies").length === 2);
  expect(said.slice(-2).toSorted()).toEqual([
    "Strategies: nothing is wrong any more.",
    "Types of strategies: nothing is wrong any more.",
  ]);
  end.abort();
  await watching;
}, 60_000);
