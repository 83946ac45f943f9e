import { describe, expect, test } from "bun:test";
import { Outbox } from "./outbox.ts";

/** A connection that takes nothing by itself: what is sent waits until it is read. */
function standingReader() {
  const waiting: string[] = [];
  const closed: number[] = [];
  const outbox = new Outbox({
    getBufferedAmount: () => waiting.reduce((sum, { length }) => sum + length, 0),
    send: (text) => waiting.push(text),
    close: (code) => closed.push(code),
  });
  /** Reads all that waits. */
  const read = (): string[] => {
    const all = waiting.splice(0);
    outbox.flush();
    return all;
  };
  return { outbox, waiting, closed, read };
}

const passing = (text: string) => ({ text, isLasting: false });
const lasting = (text: string) => ({ text, isLasting: true });
const LARGE = "x".repeat(131_073);

describe("an outbox", () => {
  test("sends what passes to a reader that has read all; of each channel it keeps the newest alone", () => {
    const { outbox, read } = standingReader();
    for (const text of ["a1", "a2", "a3"]) outbox.tell("a", passing(text));
    for (const text of ["b1", "b2"]) outbox.tell("b", passing(text));
    expect([read(), read(), read(), read()]).toEqual([["a1"], ["a3"], ["b2"], []]);
  });

  test("sends every closed candle, before what passes, until too much waits; then the newest alone", () => {
    const { outbox, read } = standingReader();
    outbox.tell("a", passing("a1"));
    outbox.tell("a", passing("a2"));
    for (const text of ["1", "2", LARGE, "3", "4"]) outbox.tell("b", lasting(text));
    expect([read(), read(), read()]).toEqual([["a1", "1", "2", LARGE], ["4"], ["a2"]]);
  });

  test("keeps no forming candle behind the closed one", () => {
    const { outbox, read } = standingReader();
    outbox.tell("a", passing("forming 1"));
    outbox.tell("a", passing("forming 1, later"));
    outbox.tell("a", lasting("closed 1"));
    outbox.tell("a", passing("forming 2"));
    expect([read(), read(), read()]).toEqual([["forming 1", "closed 1"], ["forming 2"], []]);
  });

  test("whatever is told of its channels, what waits is bounded by what it was and a message", () => {
    const { outbox, waiting } = standingReader();
    for (let n = 0; n < 10_000; n += 1) {
      outbox.tell(`channel ${n % 100}`, lasting("c".repeat(300)));
      outbox.tell(`channel ${n % 100}`, passing("f".repeat(300)));
    }
    expect(waiting.join("").length).toBeLessThanOrEqual(131_072 + 300);
  });

  test("forgets a channel that is left, and no other", () => {
    const { outbox, read } = standingReader();
    outbox.tell("a", lasting(LARGE));
    for (const key of ["a", "b"]) {
      outbox.tell(key, lasting(`${key} closed`));
      outbox.tell(key, passing(`${key} forming`));
    }
    outbox.drop("a");
    expect([read(), read(), read()]).toEqual([[LARGE], ["b closed"], ["b forming"]]);
  });

  test("answers at once, and closes who does not read its answers", () => {
    const { outbox, waiting, closed } = standingReader();
    outbox.answer("yes");
    outbox.answer(LARGE);
    expect([waiting, closed]).toEqual([["yes", LARGE], []]);
    outbox.answer("no");
    expect([waiting, closed]).toEqual([["yes", LARGE], [1008]]);
  });
});
