import { describe, expect, test } from "bun:test";
import type { Overview } from "./overview.ts";
import { startSections } from "./start-page.ts";

const NOTHING: Overview = { sessions: [], sessionCounts: {}, alerts: [], alertCounts: {}, services: [], queues: [] };

describe("the sections of the start page", () => {
  test("say so where nothing is open, nothing waits and there is no session", () => {
    const html = startSections(NOTHING, 0);
    for (const words of ["no alert is open; ", "there is none", "nothing waits; "]) expect(html).toContain(words);
    expect(html).not.toContain("<table>");
  });

  test("count the open alerts by severity, and list what waits with the age of the oldest", () => {
    const queues = [{ queue: "backtest", open: 3, oldestCreatedAtMs: 0 }];
    const html = startSections({ ...NOTHING, alertCounts: { info: 1, critical: 1 }, queues }, 125_000);
    expect(html).toContain("2 alerts are open: 1 critical, 1 info; ");
    expect(html).toContain("what waits; ");
    expect(html).toContain(
      `<tr><td data-head="queue">backtest</td><td data-head="open tasks">3</td><td data-head="oldest">2 min</td></tr>`,
    );
  });
});
