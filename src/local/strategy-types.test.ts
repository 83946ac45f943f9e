import { afterAll, expect, test } from "bun:test";
import { bodyOf, strategyFolder } from "#shared/strategy-threads/thread-host.fixture.ts";
import { strategyTypeErrors } from "./strategy-types.ts";

const folder = await strategyFolder();
afterAll(() => folder.remove());

test("type errors of a strategy are said with file and line, and only those", async () => {
  await folder.write("fine", "({ onBar() {}, snapshot: () => null, restore() {} })");
  expect(await strategyTypeErrors([folder.path], `${folder.path}/data`)).toEqual([]);
  await folder.write("bad", bodyOf("context.wantLong(5)"));
  const errors = await strategyTypeErrors([folder.path], `${folder.path}/data`);
  expect(errors).toEqual([expect.stringMatching(/bad\.ts, line 6: Expected 0 arguments, but got 1\.$/)]);
});
