import { describe, expect, test } from "bun:test";
import { tableOf } from "./html.ts";

describe("a table", () => {
  test("says the head of each cell on the cell too, where there is one", () => {
    expect(tableOf(["name", 'a "b"', ""], [["<b>x</b>", "", "y"]])).toBe(
      `<div class="wide"><table><thead><tr><th>name</th><th>a &#34;b&#34;</th><th></th></tr></thead>` +
        `<tbody><tr><td data-head="name"><b>x</b></td><td data-head="a &#34;b&#34;"></td><td>y</td></tr></tbody></table></div>`,
    );
  });

  test("has no head where none is given, and is none without rows", () => {
    expect(tableOf([], [["x", "y"]])).toBe(
      `<div class="wide"><table><tbody><tr><td>x</td><td>y</td></tr></tbody></table></div>`,
    );
    expect(tableOf(["name"], [])).toBe("");
  });
});
