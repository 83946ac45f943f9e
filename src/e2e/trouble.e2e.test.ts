import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { layLine } from "#local/line.ts";
import { getJson, postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { bodyOf, strategyFolder } from "#shared/strategy-threads/thread-host.fixture.ts";
import { eventually, type RunningProcess, runToEnd, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { venueSettings } from "#testing/alone-venue.fixture.ts";
import { workOf } from "#testing/alone-work.fixture.ts";
import { createWorld, putReferences, type World } from "#testing/alone-world.fixture.ts";

const SECRET = "hunter2";
const NOBODY = "127.0.0.1:1";
const RISK_MANAGER = ["bin/run.ts", "risk-manager"];
let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.close());

/** Changes a URL's user and password. */
function as(url: string | undefined, user: string): string {
  const changed = new URL(url ?? "");
  changed.username = user;
  changed.password = SECRET;
  return changed.href;
}

describe("a process that cannot start", () => {
  const troubles: [what: string, settings: () => Record<string, string>, sentence: RegExp][] = [
    [
      "an unreachable Redis",
      () => ({ REDIS_URL: `redis://:${SECRET}@${NOBODY}` }),
      /^Redis, which REDIS_URL names, cannot be used: .*ECONNREFUSED.*\.$/,
    ],
    [
      "a Redis that refuses the password",
      () => ({ REDIS_URL: as(world.settings["REDIS_URL"], "nobody") }),
      /^Redis, which REDIS_URL names, cannot be used: WRONGPASS .*\.$/,
    ],
    [
      "an unreachable Postgres",
      () => ({ DATABASE_URL: `postgres://someone:${SECRET}@${NOBODY}/r3` }),
      /^Postgres, which DATABASE_URL names, cannot be used: .*ECONNREFUSED.*\.$/,
    ],
    [
      "a Postgres that refuses the password",
      () => ({ DATABASE_URL: as(world.settings["DATABASE_URL"], "r3") }),
      /^Postgres, which DATABASE_URL names, cannot be used: password authentication failed.*\.$/,
    ],
    [
      "an address that is not of this machine",
      () => ({ R3_HTTP_HOST: "192.0.2.1" }),
      /^Nothing can listen on port 0 of 192\.0\.2\.1: R3_HTTP_HOST .*\.$/,
    ],
  ];

  test.each(troubles)(
    "for %s says so in one sentence, without a secret, and exits 1",
    async (_what, settings, sentence) => {
      const given = { ...world.settings, R3_HTTP_PORT: "0", ...settings() };
      const { code, error, out } = await runToEnd(RISK_MANAGER, given);
      expect(code).toBe(1);
      expect(error.trimEnd()).toMatch(sentence);
      expect(`${error}${out}`).not.toContain(SECRET);
    },
  );

  test("for two strategies of one name says both files in one sentence, and exits 1", async () => {
    const folder = await strategyFolder();
    await folder.write("one", bodyOf(""), { name: "twin" });
    await folder.write("two", bodyOf(""), { name: "twin" });
    const given = { ...world.settings, R3_HTTP_PORT: "0", R3_STRATEGY_FOLDERS: `strategies,${folder.path}` };
    const ended = await Promise.all(
      ["strategy-executor", "backtest", "all"].map((name) => runToEnd(["bin/run.ts", name], given)),
    );
    for (const { code, error } of ended) {
      expect(code).toBe(1);
      expect(error).toMatch(
        /^Two strategies are named "twin", in \S*one\.ts and in \S*two\.ts: give one of them another name\.\n$/,
      );
    }
    await folder.remove();
  }, 30_000);

  test("for a port that is taken says which setting is to be changed", async () => {
    const listener = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const port = String(listener.port);
    const { code, error } = await runToEnd(RISK_MANAGER, { ...world.settings, R3_HTTP_PORT: port });
    await listener.stop(true);
    expect({ code, error }).toEqual({
      code: 1,
      error: `Port ${port} of 127.0.0.1 is taken: set R3_HTTP_PORT to another one, or end what listens there.\n`,
    });
  });

  test.each([RISK_MANAGER, ["bin/up.ts"], ["bin/migrate.ts"]])(
    "for faulty settings names all of them at once and no value: %s",
    async (...args) => {
      const { code, error, out } = await runToEnd(args, {
        DATABASE_URL: `mysql://${SECRET}`,
        R3_ACCOUNTS: `[{"id":"a","venue":"b","apiKey":"${SECRET}"}]`,
        R3_HTTP_PROT: SECRET,
        R3_BACKTEST_CONCURRENCY: SECRET,
        R3_REDIS_PORT: SECRET,
      });
      expect(code).toBe(1);
      const faults = error
        .trimEnd()
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/[: ]/)[0] ?? "");
      expect(faults.toSorted()).toEqual([
        "DATABASE_URL",
        "R3_ACCOUNTS",
        "R3_BACKTEST_CONCURRENCY",
        "R3_HTTP_PROT",
        "R3_REDIS_PORT",
      ]);
      expect(error).toContain("is R3_HTTP_PORT meant?");
      expect(`${error}${out}`).not.toContain(SECRET);
    },
  );

  const market = (own: string) =>
    `[{"id":"mine","symbol":"AAA/USD","rules":{"priceStep":"0.01","sizeStep":"1","minSize":"1","minNotional":"1"},` +
    `"account":{"apiKey":"k","secret":"s","balances":{}},"timeFrame":"1d",${own}}]`;
  const account = '[{"id":"a","venue":"nosuch","apiKey":"k","secret":"s"}]';
  test.each([
    [{ R3_HTTP_HOST: "nohost" }, /^Nothing can listen on port 0 of nohost: R3_HTTP_HOST .*\.\n$/],
    [{ R3_STRATEGY_FOLDERS: "strategies,nowhere" }, /^There is no folder nowhere: R3_STRATEGY_FOLDERS /],
    [{ R3_STRATEGY_FOLDERS: "package.json" }, /^There is no folder package.json: /],
    [{ R3_ACCOUNTS: account }, 'The account "a" is at the venue "nosuch", which is not among the venues.\n'],
    [
      { R3_VENUES: '[{"id":"paper","connector":"binance"}]' },
      /R3_VENUES: "paper" is the demo's own; choose another id\n$/,
    ],
    [
      { R3_PAPER_EXCHANGE_MARKETS: market('"bars":"nofile.csv","pace":"lockstep"') },
      /^The file of bars cannot be read: .*nofile.csv.*\.\n$/,
    ],
    [
      { R3_PAPER_EXCHANGE_MARKETS: market('"bars":"nofile.csv","pace":"fast"') },
      /R3_PAPER_EXCHANGE_MARKETS \(at 0\.pace\): must be "lockstep", "real-time", {"speed": a number above 0}, "manual" or "synthetic"\. /,
    ],
  ])(
    "for what no service would start with is refused before bin/up starts or removes anything: %j",
    async (given, says) => {
      const folder = join(world.folder, "never-made");
      const { code, error, out } = await runToEnd(["bin/up.ts"], { R3_DATA_FOLDER: folder, ...given });
      expect({ code, out, error }).toEqual({ code: 1, out: "", error: expect.stringMatching(says) });
      expect(existsSync(folder)).toBe(false);
    },
  );

  const apart: string[][] = [
    ["bin/test.ts", "src/local/say.test.ts"],
    ["bench/main.ts", "tick-to-order"],
    ["chaos/main.ts", "venue"],
  ];

  test.each(apart)("for a misspelt setting says so, also where no settings are taken: %s", async (...args) => {
    const { code, error, out } = await runToEnd(args, { R3_TEST_DATABASE: SECRET });
    expect(code).toBe(1);
    expect(error).toEndWith("  R3_TEST_DATABASE: is no setting; is R3_TEST_DATABASE_URL meant?\n");
    expect(`${error}${out}`).not.toContain(SECRET);
  });

  test("for a Postgres that never answers ends on SIGTERM all the same", async () => {
    let connected = false;
    const open = () => {
      connected = true;
    };
    const mute = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { open, data() {} } });
    const child = Bun.spawn([process.execPath, ...RISK_MANAGER], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: `postgres://a@127.0.0.1:${mute.port}/b` },
      stdout: "ignore",
      stderr: "ignore",
    });
    await eventually("it has connected", () => connected);
    child.kill("SIGTERM");
    await child.exited;
    mute.stop(true);
    expect(child.exitCode ?? child.signalCode).toBe(0);
  });
});

describe("a mistyped command", () => {
  const commands: [args: string[], says: string][] = [
    [["bin/up.ts", "--bars", "x"], "has to be a whole number from 1 to 5105"],
    [["bin/up.ts", "--bars", "5106"], "has to be a whole number from 1 to 5105"],
    [["bin/up.ts", "--kill", "99"], "has to be a whole number from 1 to 11"],
    [["bin/up.ts", "--kill", "1", "--bars", "30"], "The first 30 bars hold 0 orders, too few for 1 kills."],
    [["bin/up.ts", "--seed", "1"], "--seed draws the kills that --kill asks for; give both or neither."],
    [["bin/up.ts", "--yes"], "--yes answers what --fresh asks; give both or neither."],
    [["bin/up.ts", "--until-demo-ends", "--bars", "20", "--faults", "1"], "--bars has to be at least 495."],
    [
      ["bin/test.ts", "--full", "--self-check"],
      "error: --self-check plants faults and plays nothing; leave --full out.",
    ],
    [
      ["bin/test.ts", "--self-check", "src/local/say.test.ts"],
      "error: --self-check plants faults in all there is; leave the path out.",
    ],
    [["bin/up.ts", "--foo"], "unknown option '--foo'"],
    [["bin/run.ts", "nosuch"], 'There is no service "nosuch"; there are all, paper-exchange'],
    [["bin/run.ts"], "missing required argument 'services'"],
    [["bin/test.ts", "nosuch"], "No test file has nosuch in its path."],
    [["bin/check-demo.ts", "/no/such/folder"], "No demo runs on /no/such/folder: start bin/up first.\n"],
  ];

  test.each(commands)("is refused in a sentence, and nothing is started: %j", async (args, says) => {
    const { code, error } = await runToEnd(args, {});
    expect({ code, error }).toEqual({ code: 1, error: expect.stringContaining(says) });
    expect(error).not.toContain("    at ");
  });
});

/** A body in pieces, whose length nobody knows beforehand. */
function piecewise(text: string): ReadableStream {
  const letters = text.split("");
  return new ReadableStream({
    async pull(controller) {
      const letter = await Promise.resolve(letters.shift());
      if (letter === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(letter));
    },
  });
}

describe("a process that runs", () => {
  async function reaches(service: RunningProcess, host: string): Promise<boolean> {
    const url = `http://${host}:${new URL(service.url).port}/livez`;
    return await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      () => true,
      () => false,
    );
  }

  test("refuses a body that is too long, or does not say how long it is, with problem details", async () => {
    const service = await startProcess(["paper-exchange"], venueSettings(world.folder));
    const url = `${service.url}/api/paper-exchange/markets/alone/control/release`;
    const headers = { "content-type": "application/json" };
    const send = async (body: string | ReadableStream) => {
      const answer = await fetch(url, { method: "POST", headers, body });
      return [answer.status, answer.headers.get("content-type"), await answer.json()];
    };
    const long = await send("a".repeat(1_048_577));
    const chunked = await send(piecewise("{}"));
    await service.stop();
    const problemOf = (code: string) => expect.objectContaining({ code });
    expect([long, chunked]).toEqual([
      [413, "application/problem+json", problemOf("BODY_TOO_LARGE")],
      [411, "application/problem+json", problemOf("LENGTH_REQUIRED")],
    ]);
  });

  test("keeps the strategies of a folder that vanishes as they were last, and says so until it is back", async () => {
    const folder = await strategyFolder();
    await folder.write("kept", bodyOf(""));
    const settings = { R3_STRATEGY_FOLDERS: `strategies,${folder.path}`, R3_STRATEGY_RELOAD: "true" };
    const service = await startProcess(["strategy-executor"], { ...world.settings, ...settings });
    const url = `${service.url}/api/strategy-executor/strategies`;
    const told = async () => {
      const { items, faults } = (await getJson(url)) as { items: { name: string }[]; faults: string[] };
      return { faults, isKept: items.some(({ name }) => name === "kept") };
    };
    try {
      await untilReady(service);
      expect(await told()).toEqual({ faults: [], isKept: true });
      await folder.remove();
      await eventually("it is said", async () => (await told()).faults.length > 0);
      const gone = `There is no folder ${folder.path}: R3_STRATEGY_FOLDERS has to name folders of strategies.`;
      expect(await told()).toEqual({ faults: [gone], isKept: true });
      const { body } = await postJson(`${url}/validate`, { strategy: "kept", params: {} });
      expect(body).toMatchObject({ kind: "valid" });
      expect((await service.readyz()).status).toBe(200);
      await folder.make();
      await folder.write("kept", bodyOf(""));
      await eventually("it is taken again", async () => {
        const { faults, isKept } = await told();
        return isKept && faults.length === 0;
      });
    } finally {
      expect((await service.stop()).code).toBe(0);
      await folder.remove();
    }
  });

  test("listens on 127.0.0.1 alone", async () => {
    const service = await startProcess(["paper-exchange"], venueSettings(world.folder));
    const reached = await Promise.all(["127.0.0.1", "127.0.0.2", "[::1]"].map((host) => reaches(service, host)));
    await service.stop();
    expect(reached).toEqual([true, false, false]);
  });

  test("is not ready while someone else has locked tables of the engine, and is ready again by itself", async () => {
    const service = await startProcess(["risk-manager"], world.settings);
    try {
      await untilReady(service);
      await world.db.transaction(async ({ sql }) => {
        await sql`lock table bus.log`;
        await eventually("it is missed", async () => {
          // The server ends a transaction that idles.
          await sql`select 1`;
          const { status, body } = await service.readyz();
          return status === 503 && JSON.stringify(body).includes("Postgres (someone has locked the engine's tables)");
        });
      });
      await untilReady(service);
    } finally {
      expect((await service.stop()).code).toBe(0);
    }
  });

  test("is not ready while a server is away, is ready again by itself, and has lost nothing", async () => {
    const redis = await layLine(world.settings["REDIS_URL"] ?? "");
    const postgres = await layLine(world.settings["DATABASE_URL"] ?? "");
    const settings = { ...world.settings, REDIS_URL: redis.url, DATABASE_URL: postgres.url };
    await putReferences(world);
    const service = await startProcess(["risk-manager"], settings);
    const untilWaitingFor = (server: RegExp) =>
      eventually(`waiting for ${server.source}`, async () => {
        const { status, body } = await service.readyz();
        const { services } = body as { services: Record<string, { waitsFor: string[] }> };
        const waitsFor = services["risk-manager"]?.waitsFor ?? [];
        return status === 503 && waitsFor.length === 1 && server.test(waitsFor[0] ?? "");
      });
    try {
      await untilReady(service);
      await redis.cut();
      await untilWaitingFor(/^Redis \(.+\)$/);
      // The task comes while nobody can be woken.
      const work = await workOf("risk-manager");
      const decided = work.give(world, service.url, "");
      await redis.mend();
      await untilReady(service);
      expect(await decided).toEqual(work.comesTo);
      await postgres.cut();
      await untilWaitingFor(/^Postgres \(.+\)$/);
      const answer = await fetch(`${service.url}/api/risk-manager/budgets`);
      expect([answer.status, await answer.json()]).toEqual([
        503,
        expect.objectContaining({ code: "DATABASE_UNAVAILABLE" }),
      ]);
      await postgres.mend();
      await untilReady(service);
    } finally {
      expect((await service.stop()).code).toBe(0);
      await redis.cut();
      await postgres.cut();
    }
  });
});
