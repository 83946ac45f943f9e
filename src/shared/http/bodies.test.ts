import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { memoryUsage } from "node:process";
import type { Listening } from "./listen.ts";
import { problemSchema } from "./problem.ts";
import { listenToThings } from "./things.fixture.ts";

let server: Listening;
beforeAll(() => {
  server = listenToThings();
});
afterAll(async () => await server.stop());

async function post(path: string, body: string | Uint8Array<ArrayBuffer>, type: string | null = "application/json") {
  const headers: Record<string, string> = type === null ? {} : { "content-type": type };
  const answer = await fetch(`${server.url}/api/things${path}`, { method: "POST", body, headers });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
}

/** `count` of them with commas between. */
const listed = (count: number, one: (index: number) => string) =>
  Array.from({ length: count }, (_, at) => one(at)).join();

/** A body of about so many bytes that is taken: texts, almost as many as may be. */
function takenBody(bytes: number): string {
  const text = "x".repeat(Math.max(1, Math.floor(bytes / 9_900) - 3));
  return `{"value":[${listed(9_900, () => `"${text}"`)}]}`;
}

/** How long a body takes, as a share of what one of its length takes that is taken; of both the fastest of twelve. */
async function shareOfTaken(body: string, check: (answer: Awaited<ReturnType<typeof post>>) => void): Promise<number> {
  const taken = takenBody(body.length);
  const fastest = { ownMs: Number.POSITIVE_INFINITY, takenMs: Number.POSITIVE_INFINITY };
  for (let time = 0; time < 12; time += 1) {
    const beganMs = performance.now();
    check(await post("/any", body));
    const answeredMs = performance.now();
    expect((await post("/any", taken)).status).toBe(200);
    fastest.ownMs = Math.min(fastest.ownMs, answeredMs - beganMs);
    fastest.takenMs = Math.min(fastest.takenMs, performance.now() - answeredMs);
  }
  return fastest.ownMs / fastest.takenMs;
}

const DEEP = "[".repeat(40_000) + "]".repeat(40_000);

describe("a body that is nested 40,000 deep", () => {
  test.each([
    ["lists", DEEP],
    ["lists where any JSON may stand", `{"value":${DEEP}}`],
    ["objects", `${'{"value":'.repeat(8_000)}1${"}".repeat(8_000)}`],
    ["lists that never end", "[".repeat(80_000)],
  ])("is refused before anything is made of it: %s", async (_name, body) => {
    const { status, json } = await post("/any", body);
    expect([status, json["code"]]).toEqual([400, "MALFORMED"]);
    expect(json["detail"]).toBe("The body nests lists and objects more than 32 deep: send it flatter.");
  });

  test("takes no longer than one that is taken, and no memory", async () => {
    await post("/", DEEP);
    const before = memoryUsage.rss();
    expect(await shareOfTaken(DEEP, ({ status }) => expect(status).toBe(400))).toBeLessThan(2);
    expect(memoryUsage.rss() - before).toBeLessThan(100_000_000);
  });
});

describe("a body", () => {
  test("may nest as deep as any of ours does, and hold brackets in its texts", async () => {
    const { status } = await post("/any", `{"value":${"[".repeat(30)}"${"[".repeat(100)}\\"{"${"]".repeat(30)}}`);
    expect(status).toBe(200);
  });

  test("with nine thousand wrong items names some of them, and repeats none", async () => {
    const tags = Array.from({ length: 9_000 }, () => "wxyz").join('","');
    const { status, json } = await post("/", `{"size":1,"tags":["${tags}"]}`);
    expect([status, problemSchema.parse(json).errors?.length]).toEqual([422, 50]);
    expect(JSON.stringify(json)).not.toContain("wxyz");
  });

  test("with a name of a thousand letters is not told all of it again", async () => {
    const { json } = await post("/any", `{"value":1,"${"x".repeat(1_000)}":1}`);
    expect(problemSchema.parse(json).errors?.[0]?.field.length).toBeLessThan(300);
  });

  test("with broken texts under such a name is not told all of it again and again", async () => {
    const broken = Array.from({ length: 100 }, () => '"\\ud800"').join();
    const { status, json } = await post("/any", `{"value":{"${"x".repeat(100_000)}":[${broken}]}}`);
    expect([status, problemSchema.parse(json).errors?.length]).toEqual([422, 50]);
    expect(JSON.stringify(json).length).toBeLessThan(20_000);
  });
});

describe("a body that is no UTF-8", () => {
  const bytes = (text: string, ...more: number[]) =>
    new Uint8Array([...new TextEncoder().encode(text), ...more, ...new TextEncoder().encode('"}')]);

  test.each([
    ["a byte of Latin-1", [0xe9]],
    ["half of a character", [0xf0, 0x9f, 0x98]],
    ["half of a surrogate pair", [0xed, 0xa0, 0x80]],
    ["a character written too long", [0xc0, 0xaf]],
  ])("is refused, and not taken with other characters: %s", async (_what, more) => {
    const { status, json } = await post("/any", bytes('{"value":"', ...more));
    expect([status, json["code"]]).toEqual([400, "MALFORMED"]);
    expect(json["detail"]).toBe("The body is not UTF-8: send its text in that encoding.");
  });

  test("is not one with any character that is", async () => {
    expect((await post("/any", bytes('{"value":"é 😀 \uFFFD'))).status).toBe(200);
    expect((await post("/any", bytes('\uFEFF{"value":"'))).status).toBe(200);
  });
});

describe("a body that holds too much", () => {
  const VALUES = "The body holds more than 10000 values: send less at once.";
  const KEYS = "An object of the body holds more than 1000 keys: send fewer.";

  test.each([
    ["numbers", `{"value":[${listed(400_000, () => "1")}]}`, VALUES],
    ["lists", `{"value":[${listed(300_000, () => "[]")}]}`, VALUES],
    ["halves of surrogate pairs", `{"value":[${listed(100_000, () => '"\\ud800"')}]}`, VALUES],
    ["keys of one object", `{"value":{${listed(75_000, (at) => `"k${at}":1`)}}}`, KEYS],
    ["keys that no schema knows", `{"value":1,${listed(75_000, (at) => `"k${at}":1`)}}`, KEYS],
    ["keys of one name", `{"value":{${listed(150_000, () => '"k":1')}}}`, KEYS],
    ["objects of many keys", `[${listed(20, () => `{${listed(999, (at) => `"k${at}":1`)}}`)}]`, VALUES],
    ["commas alone", ",".repeat(900_000), VALUES],
  ])("is refused with one sentence, and takes no longer than one that is taken: %s", async (_what, body, told) => {
    const share = await shareOfTaken(body, ({ status, json }) =>
      expect([status, json["code"], json["detail"]]).toEqual([400, "MALFORMED", told]),
    );
    expect(share).toBeLessThan(2);
  });

  test("but for one value and one key less is taken, with commas and colons in its texts", async () => {
    const keys = listed(1_000, (at) => `"k${at}":"a,b:c"`);
    // Beside the items: the body, its list, the object with its values, and the items' list.
    const items = listed(10_000 - 1_004, () => "0");
    const body = (more: string) => `{"value":[{${keys}},[${items}${more}]]}`;
    expect((await post("/any", body(""))).status).toBe(200);
    expect((await post("/any", body(",0"))).json["detail"]).toBe(VALUES);
  });

  test("and holds broken texts besides takes a few times as long at most", async () => {
    const long = "x".repeat(80);
    const body = `{"value":[${listed(9_990, () => `"${long}\\ud800"`)}]}`;
    const share = await shareOfTaken(body, ({ status, json }) =>
      expect([status, problemSchema.parse(json).errors?.length]).toEqual([422, 50]),
    );
    expect(share).toBeLessThan(5);
  });
});

describe("HEAD", () => {
  test.each([
    ["/api/things?limit=3", 200],
    ["/api/things", 200],
    ["/api/things?limit=11", 422],
    ["/api/things?limt=3", 422],
    ["/api/things/missing", 404],
  ])("answers as GET does, without a body: %s", async (path, status) => {
    const [head, get] = await Promise.all(["HEAD", "GET"].map((method) => fetch(`${server.url}${path}`, { method })));
    expect([head?.status, get?.status, await head?.text()]).toEqual([status, status, ""]);
  });
});

describe("a content type", () => {
  test.each(["application/json", "application/JSON", "application/json; charset=utf-8", "application/vnd.api+json"])(
    "of JSON is read as JSON: %s",
    async (type) => {
      expect(await post("/any", '{"value":1}', type)).toEqual({ status: 200, json: { kind: "number" } });
    },
  );

  test.each(["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "application/jsonp"])(
    "of something else is 415: %s",
    async (type) => {
      expect((await post("/any", '{"value":1}', type)).status).toBe(415);
    },
  );

  test("of JSON with an empty body says that the body is missing", async () => {
    const { status, json } = await post("/any", "");
    expect([status, json["errors"]]).toEqual([422, [{ field: "body", message: "is missing" }]]);
    expect((await post("/pause", "")).status).toBe(200);
  });
});
