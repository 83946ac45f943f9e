import { describe, expect, spyOn, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import v8 from "node:v8";
import { createLogger, destinationAt } from "./logger.ts";
import { createRegistry } from "./metrics.ts";

function logTo(lines: string[], format: "json" | "pretty" | "auto") {
  return createLogger({
    level: "info",
    format,
    isTerminal: false,
    fields: { service: "things" },
    destination: { write: (line: string) => void lines.push(line) },
  });
}

describe("the log", () => {
  test("writes one JSON line a fact, with ids as fields and without secrets", () => {
    const lines: string[] = [];
    const log = logTo(lines, "auto");
    log.info({ orderId: "o-1", secret: "hunter2", account: { apiKey: "hunter2" } }, "order placed");
    log.debug("not asked for");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "info",
      service: "things",
      orderId: "o-1",
      msg: "order placed",
    });
    expect(lines[0]).not.toContain("hunter2");
  });

  test("writes lines for a person where they are asked for", () => {
    const lines: string[] = [];
    logTo(lines, "pretty").warn({ orderId: "o-1" }, "late");
    expect(lines.join("")).toMatch(/WARN.*late/);
  });
});

describe("where the log goes", () => {
  test("may refuse a line, as a full disk does, without ending what it tells of", () => {
    const readOnly = openSync(import.meta.path, "r");
    const log = createLogger({
      level: "info",
      format: "json",
      isTerminal: false,
      destination: destinationAt(readOnly),
    });
    log.info("lost");
    log.info("lost too");
    closeSync(readOnly);
  });
});

describe("metrics", () => {
  test("tell of the runtime", async () => {
    const text = await createRegistry({ instance: "a" }).metrics();
    expect(text).toMatch(/process_resident_memory_bytes\{instance="a"\} \d+/);
  });

  test("do not walk the heap, which would keep the process from answering anything else", async () => {
    const registry = createRegistry({ instance: "a" });
    using walks = spyOn(v8, "getHeapSpaceStatistics");
    await registry.metrics();
    expect(walks).not.toHaveBeenCalled();
  });
});
