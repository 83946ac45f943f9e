import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { getJson, send } from "./rest.ts";
import { Trouble } from "./say.ts";

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("a connection that is refused, as by a service that is restarted, is tried again", async () => {
  const port = await freePort();
  const asked = getJson(`http://127.0.0.1:${port}/`);
  const refused = await fetch(`http://127.0.0.1:${port}/`).catch(() => "refused");
  const server = Bun.serve({ port, hostname: "127.0.0.1", fetch: () => Response.json({ here: true }) });
  try {
    expect([refused, await asked]).toEqual(["refused", { here: true }]);
  } finally {
    await server.stop(true);
  }
});

test("one that is refused for too long is a sentence", async () => {
  const url = `http://127.0.0.1:${await freePort()}/`;
  const asked = send({ method: "GET", url, headers: {}, waitForMs: 100 });
  const error = await asked.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Trouble);
  expect(String(error)).toMatch(/^Error: GET http:\S+ is not answered: .+\.$/);
});
