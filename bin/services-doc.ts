import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { markdownTable } from "#local/markdown-table.ts";
import { ROOT } from "#local/root.ts";
import { SERVICES } from "#local/services.ts";
import type { Topic } from "#shared/bus/bus.ts";
import { HEARTBEATS } from "#shared/messages/topics.ts";
import type { TaskType } from "#shared/queue/queue.ts";
import type { ServiceDefinition } from "#shared/service/service.ts";

/** The committed files with parts that are made from the services' definitions. */
export const ARCHITECTURE = resolve(ROOT, "ARCHITECTURE.md");
export const README = resolve(ROOT, "README.md");
export const PACKAGE = resolve(ROOT, "package.json");

/** Those that have something, by name. All that could: "every service". */
function who(has: (service: ServiceDefinition) => boolean): string {
  const engine = SERVICES.filter(({ needs }) => needs === "engine");
  const names = engine.filter(has).map(({ name }) => name);
  return names.length === engine.length ? "every service" : names.join(", ");
}

const distinct = <Item>(items: readonly Item[]): Item[] => [...new Set(items)];

function servicesTable(): string {
  const rows = SERVICES.map(({ name, description, scaling }) => [name, description, scaling]);
  return markdownTable(["service", "role", "how it scales"], rows);
}

function topicsTable(): string {
  const topics = distinct<Topic>(SERVICES.flatMap(({ topics: { out } }) => out));
  const row = (topic: Topic, writer: string) => [
    `\`${topic.name}\``,
    topic.class,
    topic.key,
    writer,
    who(({ topics: { in: followed } }) => followed.includes(topic)) || "nobody yet",
  ];
  const rows = topics.map((topic) =>
    row(
      topic,
      who(({ topics: { out } }) => out.includes(topic)),
    ),
  );
  return markdownTable(
    ["topic", "class", "key", "written by", "followed by"],
    [...rows, row(HEARTBEATS, "every process")],
  );
}

function tasksTable(): string {
  const tasks = distinct<TaskType>(SERVICES.flatMap(({ tasks: { works } }) => works));
  const rows = tasks.map((task) => [
    `\`${task.type}\``,
    task.lane,
    task.queue,
    who(({ tasks: { asks } }) => asks.includes(task)),
  ]);
  return markdownTable(["task", "lane", "worked by", "asked for by"], rows);
}

/** ARCHITECTURE.md with its tables of services, topics and tasks as the definitions have them. */
export function architectureDoc(text: string): string {
  return withTables(text, { services: servicesTable(), topics: topicsTable(), tasks: tasksTable() });
}

/** README.md with its table of services as the definitions have it. */
export function readmeDoc(text: string): string {
  const rows = SERVICES.map(({ name, description }) => [name, description]);
  return withTables(text, { services: markdownTable(["service", "in a line"], rows) });
}

/** A text with what stands between the marks of each table made anew. */
function withTables(text: string, tables: Record<string, string>): string {
  return Object.entries(tables).reduce((whole, [name, made]) => {
    const [begin, end] = [`<!-- ${name}: made by bin/bun run services-doc -->`, `<!-- end of ${name} -->`];
    const [before, rest = ""] = whole.split(begin);
    return `${before}${begin}\n${made}\n${end}${rest.split(end)[1] ?? ""}`;
  }, text);
}

/** package.json with a script for each service, in the order of their start, behind the one for all. */
export function packageJson(text: string): string {
  const whole = JSON.parse(text) as { scripts: Record<string, string> };
  const others = Object.entries(whole.scripts).filter(([, command]) => !command.startsWith("bun bin/run.ts"));
  const own = ["all", ...SERVICES.map(({ name }) => name)].map((name) => [name, `bun bin/run.ts ${name}`]);
  return `${JSON.stringify({ ...whole, scripts: Object.fromEntries([...own, ...others]) }, null, 2)}\n`;
}

if (import.meta.main) {
  new Command("services-doc")
    .description(
      "Writes the tables of ARCHITECTURE.md and README.md and the scripts of package.json from the services.",
    )
    .parse();
  writeFileSync(ARCHITECTURE, architectureDoc(readFileSync(ARCHITECTURE, "utf8")));
  writeFileSync(README, readmeDoc(readFileSync(README, "utf8")));
  writeFileSync(PACKAGE, packageJson(readFileSync(PACKAGE, "utf8")));
}
