import { expect, test } from "bun:test";
import { isReady } from "./engine.ts";

test("only the process itself counts as ready, not another program at its port", async () => {
  let answer = () => Response.json({ ready: true, pid: process.pid, services: {} });
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => answer() });
  const url = `http://127.0.0.1:${server.port}`;
  expect(await isReady(url, process.pid)).toBe(true);
  expect(await isReady(url, process.pid + 1)).toBe(false);
  answer = () => Response.json({ ready: false, pid: process.pid, services: {} }, { status: 503 });
  expect(await isReady(url, process.pid)).toBe(false);
  answer = () => new Response("<html>something else</html>");
  expect(await isReady(url, process.pid)).toBe(false);
  await server.stop(true);
  expect(await isReady(url, process.pid)).toBe(false);
});
