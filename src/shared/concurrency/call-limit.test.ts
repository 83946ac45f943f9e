import { expect, test } from "bun:test";
import { hasCode } from "#shared/errors/app-error.ts";
import { CallLimit } from "./call-limit.ts";

const never = new AbortController().signal;

/** Calls that end when they are told to. */
function calls() {
  const ends: (() => void)[] = [];
  let most = 0;
  let running = 0;
  const call = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((end) => ends.push(end));
    running -= 1;
  };
  return { call, endOne: () => ends.shift()?.(), count: () => ({ most, running }) };
}

test("so many run at once, and the others in the order in which they came", async () => {
  const limit = new CallLimit({ service: "things", atOnce: 2, inLine: 10 });
  const { call, endOne, count } = calls();
  const order: number[] = [];
  const all = [1, 2, 3, 4, 5].map((n) => limit.run(never, call).then(() => order.push(n)));
  for (let round = 0; round < 5; round++) {
    endOne();
    await Bun.sleep(0);
  }
  await Promise.all(all);
  expect({ order, ...count() }).toEqual({ order: [1, 2, 3, 4, 5], most: 2, running: 0 });
});

test("what finds the line full is refused and may come again", async () => {
  const limit = new CallLimit({ service: "things", atOnce: 1, inLine: 1 });
  const { call, endOne } = calls();
  const taken = [limit.run(never, call), limit.run(never, call)];
  const error = await limit.run(never, call).catch((thrown: unknown) => thrown);
  expect(hasCode(error, "SERVICE_UNAVAILABLE") && error.kind).toBe("transient");
  endOne();
  await taken[0];
  await Bun.sleep(0);
  endOne();
  await taken[1];
  const again = limit.run(never, call);
  endOne();
  await again;
});

test("who waits too long leaves the line and takes no place", async () => {
  const limit = new CallLimit({ service: "things", atOnce: 1, inLine: 5 });
  const { call, endOne } = calls();
  const first = limit.run(never, call);
  const late = new AbortController();
  const left = limit.run(late.signal, call).catch((thrown: unknown) => thrown);
  const third = limit.run(never, () => Promise.resolve("third"));
  late.abort("too late");
  expect(await left).toBe("too late");
  endOne();
  await first;
  expect(await third).toBe("third");
});
