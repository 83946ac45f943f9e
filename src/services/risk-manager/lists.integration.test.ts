import { afterAll, beforeAll, expect, test } from "bun:test";
import { pino } from "pino";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { readPages } from "#shared/http/pages.fixture.ts";
import { createRoutes } from "./routes.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function put(signalId: string, kind: "approved" | "denied", atMs: number, orderIndex = 0): Promise<string> {
  await database.db.sql`
    insert into risk_manager.decisions (signal_id, order_index, session_id, run, signal_number, kind, code, reason,
      market_at_ms, decided_at_ms)
    values (${signalId}, ${orderIndex}, ${SESSION}, 1, 1, ${kind}, ${kind === "denied" ? "NO_POSITION" : null}, null, 1, ${atMs})`;
  return `${signalId}/${orderIndex}`;
}

const SESSION = "6f1a1b52-0000-4000-8000-000000000001";
const read = (query: string, meanwhile?: () => Promise<unknown>) =>
  readPages(createRoutes(database.db, pino({ level: "silent" })), `/api/risk-manager/decisions?${query}`, meanwhile);
const key = ({ signalId, orderIndex }: Record<string, unknown>) => `${String(signalId)}/${String(orderIndex)}`;

test("decisions are read from either end, all or of one kind, each once though more are made meanwhile", async () => {
  const all = [
    await put("a", "approved", 1, 0),
    await put("a", "approved", 1, 1),
    await put("a", "approved", 1, 2),
    await put("b", "denied", 1),
    await put("c", "denied", 2),
    await put("d", "approved", 2),
    await put("e", "denied", 2),
  ];
  const denied = ["b/0", "c/0", "e/0"];
  let made = 0;
  const more = async () => {
    made += 1;
    const one = await put(`f${made}`, "denied", 10 + made);
    denied.push(one);
    return all.push(one);
  };
  for (const which of ["", `&sessionId=${SESSION}`]) {
    const [allBefore, deniedBefore] = [all.toReversed(), denied.toReversed()];
    expect((await read(`order=desc${which}`, more)).map(key)).toEqual(allBefore);
    const deniedNow = denied.toReversed();
    expect(deniedNow.length).toBeGreaterThan(deniedBefore.length);
    expect((await read(`order=desc&kind=denied${which}`, more)).map(key)).toEqual(deniedNow);
    expect((await read(`order=asc${which}`, more)).map(key)).toEqual(all);
    expect((await read(`kind=denied${which}`, more)).map(key)).toEqual(denied);
    expect((await read(`kind=approved${which}`)).map(key)).toEqual(["a/0", "a/1", "a/2", "d/0"]);
  }
});
