import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { Listening } from "./listen.ts";
import { knownHosts } from "./neighbours.ts";
import { listenToThings } from "./things.fixture.ts";

let server: Listening;
let own: string;
beforeAll(() => {
  server = listenToThings();
  own = `127.0.0.1:${server.port}`;
});
afterAll(async () => await server.stop());

/** What the server answers to lines as a socket sends them: fetch would put them right. */
function send(lines: readonly string[]): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
    socket.on("data", (part) => {
      text += String(part);
    });
    socket.on("error", reject);
    socket.on("close", () => resolve({ status: Number(text.split(" ")[1] ?? 0), text }));
  });
}

const ask = (request: string, headers: Record<string, string>) =>
  send([`${request} HTTP/1.1`, ...Object.entries(headers).map((pair) => pair.join(": ")), "Connection: close"]);

const PAUSE = "POST /api/things/pause";

describe("a request from a foreign web page", () => {
  test.each<[string, Record<string, string>]>([
    ["by a name of its own that points here", { Host: "evil.example" }],
    ["by such a name and this port", { Host: "evil.example:7300" }],
    ["by a name that begins like ours", { Host: "127.0.0.1.evil.example" }],
    ["with its Origin", { Host: "OWN", Origin: "https://evil.example" }],
    ["with the Origin of another port", { Host: "OWN", Origin: "http://127.0.0.1:1" }],
    ["with the Origin of a sandboxed frame", { Host: "OWN", Origin: "null" }],
    ["with the Origin of a file", { Host: "OWN", Origin: "file://" }],
    ["without an Origin, as the browser tells", { Host: "OWN", "Sec-Fetch-Site": "cross-site" }],
    ["as the frame that it shows", { Host: "OWN", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" }],
    [
      "as a form that is sent without a body",
      { Host: "OWN", Origin: "http://evil.example", "Content-Type": "application/x-www-form-urlencoded" },
    ],
  ])("controls nothing: %s", async (_name, headers) => {
    const { status, text } = await ask(PAUSE, { ...headers, Host: headers["Host"]?.replace("OWN", own) ?? "" });
    expect([status, text]).toEqual([403, expect.stringMatching(/"code":"FOREIGN_(HOST|ORIGIN)"/)]);
  });

  test.each(["/livez", "/metrics", "/openapi.json", "/api/things?limit=1", "/nothing"])(
    "reads nothing: %s",
    async (path) => {
      const answer = await ask(`GET ${path}`, { Host: "evil.example" });
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining("FOREIGN_HOST")]);
    },
  );
});

describe("a request of our own", () => {
  test.each<[string, Record<string, string>]>([
    ["of a program", {}],
    ["by another name of this machine", { Host: "localhost:1" }],
    ["in capital letters", { Host: "LOCALHOST" }],
    ["of a page that came from here", { Origin: "http://OWN" }],
    ["by a host that the settings name", { Host: "engine.example:8443", Origin: "https://engine.example:8443" }],
    ["of a page of that host, behind a gateway that writes its own Host", { Origin: "https://engine.example:8443" }],
    ["of a page of the same origin, as the browser tells", { "Sec-Fetch-Site": "same-origin" }],
  ])("passes: %s", async (_name, given) => {
    const headers = { Host: own, ...given, ...(given["Origin"] && { Origin: given["Origin"].replace("OWN", own) }) };
    expect((await ask(PAUSE, headers)).status).toBe(200);
  });

  test("passes where a person follows a link, and not where a page shows it as an image", async () => {
    const link = {
      Host: own,
      "Sec-Fetch-Site": "cross-site",
      "Sec-Fetch-Mode": "navigate",
      "Sec-Fetch-Dest": "document",
    };
    expect((await ask("GET /", link)).status).toBe(200);
    const image = await ask("GET /", { ...link, "Sec-Fetch-Dest": "image" });
    expect([image.status, image.text]).toEqual([403, expect.stringContaining("Only a link that a person follows")]);
    expect(image.text).not.toContain("R3_HTTP_ALLOWED_HOSTS");
    expect((await ask(PAUSE, link)).status).toBe(403);
  });

  test("of a form is 415 though it has no body", async () => {
    const form = { Host: own, "Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0" };
    expect((await ask(PAUSE, form)).status).toBe(415);
  });
});

test.each(["a b", "a/b", "<script>", "[::1", "127.0.0.1:port", "", "ä"])("a Host header of %p is 400", async (host) => {
  expect((await ask("GET /livez", { Host: host })).status).toBe(400);
});

describe("the hosts of a process", () => {
  test("are those of this machine where it listens to all of them", () => {
    const { own: hosts } = knownHosts({ address: "0.0.0.0", urls: [], more: [] });
    for (const one of ["127.0.0.1", "localhost", "[::1]"]) expect(hosts).toContain(one);
    expect(hosts).not.toContain("0.0.0.0");
  });

  test("are those of its URLs and of the settings, and none of this machine where it listens elsewhere", () => {
    const urls = ["http://market-data:7300", "ws://Venue.Example/ws"];
    const { own: hosts, pages } = knownHosts({ address: "fd00::1", urls, more: ["Desk.example"] });
    expect([...pages]).toEqual(["desk.example"]);
    expect([...hosts].toSorted()).toEqual(["[fd00::1]", "desk.example", "market-data", "venue.example"]);
  });
});
