import { describe, expect, test } from "bun:test";
import { render, TEMPLATES, type TemplateKind, templateSchema } from "./templates.ts";

describe("texts of one's own", () => {
  test.each(Object.keys(TEMPLATES) as TemplateKind[])("the usual text of %s is one that a person may write", (kind) => {
    expect(templateSchema(kind).safeParse(TEMPLATES[kind].text).success).toBe(true);
  });

  test("a name that there is not is refused with those that there are", () => {
    const fault = templateSchema("alertOver").safeParse("{severity} {nothing}").error?.issues[0]?.message;
    expect(fault).toBe("may name {severity}, {code}, {scope}, {time}");
  });

  test("what is put in is not read again, and a line with nothing in it goes", () => {
    expect(render("{a}\n{b}\n{c} {unknown}", { a: "{b}", b: "", c: "$&" })).toBe("{b}\n$& {unknown}");
  });

  test("a text that is too long is cut", () => expect(render("{a}", { a: "x".repeat(5_000) })).toHaveLength(1_500));
});
