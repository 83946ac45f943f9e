import { describe, expect, test } from "bun:test";
import { readTemplate } from "./make-service.ts";
import { formsOf } from "./service-name.ts";
import { copyOfTemplate, importedNames, SCALING_KINDS, type ScalingKind, withService } from "./template-copy.ts";

const TEMPLATE = readTemplate();
const KINDS = Object.keys(SCALING_KINDS) as ScalingKind[];
const copyFor = (name: string, kind: ScalingKind) => copyOfTemplate(TEMPLATE, { name: formsOf(name), kind });
const textOf = (file: string, name: string, kind: ScalingKind) => copyFor(name, kind).get(file) ?? "";

describe("a copy of the template", () => {
  test.each(KINDS)("for %s has that kind alone, as work.ts", (kind) => {
    const files = copyFor("order-watch", kind);
    const outside = [...TEMPLATE.keys()].filter((path) => !path.startsWith("scaling/"));
    const renamed = outside.map((path) => path.replace("template", "order-watch"));
    expect([...files.keys()].toSorted()).toEqual([...renamed, "work.ts"].toSorted());
    const words = /words: "(.*)"/.exec(TEMPLATE.get(`scaling/${kind}.ts`) ?? "")?.[1] ?? "";
    expect(files.get("work.ts")).toContain(`words: "${words}"`);
    expect(files.get("work.ts")).toContain('from "./note-position.ts"');
    const test = files.get("order-watch.integration.test.ts");
    expect(test?.match(/kind: "(.*)"/g)).toEqual([`kind: "${SCALING_KINDS[kind]}"`]);
    expect(test?.match(/from "\.\/work\.ts"/g)).toHaveLength(1);
  });

  test.each(KINDS)("for %s says template nowhere, nor where that had its kinds", (kind) => {
    for (const [path, text] of copyFor("order-watch", kind)) {
      expect([path, ...(`${path}\n${text}`.match(/.*template.*/gi) ?? [])]).toEqual([path]);
      expect([path, ...(text.match(/.*scaling\/.*/g) ?? [])]).toEqual([path]);
    }
  });

  test("has its name in the form of each place", () => {
    const of = (file: string) => textOf(file, "order-watch", "leader");
    expect(of("index.ts")).toContain("export const orderWatch = defineService({");
    expect(of("index.ts")).toContain('name: "order-watch"');
    expect(of("index.ts")).toContain("createOrderWatch({ deps, settings }, scaling)");
    expect(of("settings.ts")).toContain("export const orderWatchSettings = z.object({");
    expect(of("settings.ts")).toContain("R3_ORDER_WATCH_LARGE_SIZE: positiveDecimal");
    expect(of("messages.ts")).toContain("export const ORDER_WATCH_NOTES = defineTopic({");
    expect(of("messages.ts")).toContain('name: "order-watch-notes"');
    expect(of("alerts.ts")).toContain("ORDER_WATCH_LARGE_POSITION: {");
    expect(of("store.ts")).toContain("insert into order_watch.notes (");
    expect(of("migrations/0001_tables.sql")).toContain("-- Writer: order-watch.\ncreate schema order_watch;");
    expect(of("alone-work.fixture.ts")).toContain("/api/order-watch/notes`");
  });

  test("has a name that holds the template's own once each time", () => {
    const plain = [...copyFor("order-watch", "leader").values()].join("\n");
    const own = [...copyFor("template-two", "leader").values()].join("\n");
    const back = own
      .replaceAll("template-two", "order-watch")
      .replaceAll("template_two", "order_watch")
      .replaceAll("templateTwo", "orderWatch")
      .replaceAll("TemplateTwo", "OrderWatch")
      .replaceAll("TEMPLATE_TWO", "ORDER_WATCH");
    expect(back).toBe(plain);
  });

  test("has a README of its own", () => {
    expect(textOf("README.md", "order-watch", "task-queue")).toBe(`# order-watch

Notes the newest position of each session: replace it by your own.

| | |
|---|---|
| takes in | topic \`positions\` (group \`order-watch\`); task \`order-watch-note\` of its own (lane: the session) |
| gives out | topic \`order-watch-notes\` (\`note.written\`); alert \`ORDER_WATCH_LARGE_POSITION\` |
| tables | \`order_watch.notes\` |
| settings | \`R3_ORDER_WATCH_LARGE_SIZE\` (100): size above which a position is told of, in the base asset |
| REST | \`GET /api/order-watch/notes\`; \`/dead\`: events and tasks that could not be handled |
| how it scales | task queue (\`work.ts\`): several instances take tasks, whichever is free; those of a session in their order |

On failure: note, event and alert are one commit with the step that asks for them, so nothing is lost and nothing is done twice.
`);
    const leader = textOf("README.md", "order-watch", "leader");
    expect(leader).toContain("| takes in | topic `positions` (group `order-watch`) |");
    expect(leader).toContain(
      "| how it scales | leader election (`work.ts`): several instances note alike; one of them,",
    );
  });
});

test("a service is one line at the end of the list", () => {
  const list =
    'export const SERVICES = [\n  (await import("#services/a/index.ts")).a,\n];\n\nexport const OTHERS = [\n];\n';
  expect(withService(list, formsOf("order-watch"))).toBe(
    list.replace(".a,\n", '.a,\n  (await import("#services/order-watch/index.ts")).orderWatch,\n'),
  );
});

test("the names that files import are found, also several on their lines", () => {
  const text =
    'import { a, type B } from "x";\nimport type { C as D } from "y";\nimport {\n  e,\n  f,\n} from "z";\nconst g = 1;\n';
  expect(importedNames(new Map([["a.ts", text]]))).toEqual(["a", "B", "D", "e", "f"]);
});
