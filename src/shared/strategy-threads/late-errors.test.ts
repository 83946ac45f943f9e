import { beforeAll, expect, test } from "bun:test";
import process from "node:process";
import type { ThreadEnd } from "./watched-thread.ts";

let heard: { turns: string[]; own: ThreadEnd; shared: ThreadEnd };

beforeAll(async () => {
  const script = new URL("./late-errors.fixture.ts", import.meta.url).pathname;
  const running = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "inherit" });
  heard = JSON.parse(await new Response(running.stdout).text());
});

test("what fails after its bar fails the turn alone: its thread goes on, with who was in it before", () => {
  const after =
    "The strategy failed after its onBar had come back, at candle 1 (close 1970-01-01T00:02:00.000Z) or before";
  const failures = [
    "too late (rejects.ts, line 6)",
    "A wish was made outside of onBar: it belongs to no bar.",
    "it threw undefined, which is no Error",
    "it threw what cannot be read",
  ];
  expect(heard.turns).toEqual(failures.flatMap((words) => [`${after}: ${words}`, "nothing"]));
});

test("an error thrown when nobody is asked anything is its strategy's where only one was ever asked there", () => {
  const told = "The strategy threw after its turn had ended: stray; its thread was ended.";
  expect(heard.own).toEqual({ instanceId: 7, told });
});

test("and nobody's where it can not be known whose it is", () => {
  const told =
    "A strategy threw after its turn had ended: stray; its thread was ended, and it can not be known which one it was.";
  expect(heard.shared).toEqual({ instanceId: 0, told, isInside: true });
});
