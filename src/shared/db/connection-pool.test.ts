import { afterEach, expect, jest, test } from "bun:test";
import { Connection } from "./connection.ts";
import { ConnectionPool } from "./connection-pool.ts";

afterEach(() => {
  jest.useRealTimers();
});

test("a close leaves no timer once what was lent is back, so that the process can end", async () => {
  jest.useFakeTimers();
  // Nothing is connected before the first statement.
  const connect = () => new Connection("postgres://nobody:x@127.0.0.1:1/none", {}, 1_000);
  const pool = new ConnectionPool(connect, { maxConnections: 1, deadlineMs: 1_000 });
  const lent = await new Promise<Connection>((take, refuse) => pool.lend(take, refuse));
  const closing = pool.close();
  expect(jest.getTimerCount()).toBe(1);
  pool.giveBack(lent, undefined);
  await closing;
  // The driver's own, which is over at once.
  jest.advanceTimersByTime(1);
  expect(jest.getTimerCount()).toBe(0);
});
