import { expect, test } from "bun:test";
import { pino } from "pino";
import type { Deps } from "#shared/service/service.ts";
import { createUnreadableRows } from "./unreadable-rows.ts";

test("a row that cannot be read is told to the log once", () => {
  const lines: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
  const onUnreadable = createUnreadableRows({ log } as unknown as Deps);
  const row = { what: "session", id: "a", reason: "name must be longer" } as const;
  for (const one of [row, row, { ...row, id: "b" }, row]) onUnreadable(one);
  expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(["a", "b"]);
});
