import { expect, test } from "bun:test";
import { join } from "node:path";
import { DENIAL_CODES } from "#shared/domain/signal.ts";

test("the README says of every code of a denial what it means, and of no other", async () => {
  const readme = await Bun.file(join(import.meta.dir, "README.md")).text();
  const table = readme.slice(readme.indexOf("## Why a signal is denied"));
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  const told = rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, code]) => String(code)),
  );
  expect(told.toSorted()).toEqual([...DENIAL_CODES].toSorted());
});
