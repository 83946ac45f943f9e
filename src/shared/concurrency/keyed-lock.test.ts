import { expect, test } from "bun:test";
import { KeyedLock } from "./keyed-lock.ts";

test("work of one key runs in order, also after a failure, and another key does not wait", async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run("a", async () => {
    await gate.promise;
    order.push("a1");
    throw new Error("failed");
  });
  const second = lock.run("a", async () => order.push("a2"));
  await lock.run("b", async () => order.push("b1"));
  gate.resolve();
  expect(await first.catch(() => "caught")).toBe("caught");
  await second;
  expect(order).toEqual(["b1", "a1", "a2"]);
});
