import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "#local/root.ts";
import { SERVICES } from "#local/services.ts";
import { readMigrations } from "#shared/db/migrate.ts";
import { HEARTBEATS } from "#shared/messages/topics.ts";
import { ARCHITECTURE, architectureDoc, PACKAGE, packageJson, README, readmeDoc } from "./services-doc.ts";

describe("what is made from the services' definitions", () => {
  test("the tables of ARCHITECTURE.md are as `bin/bun run services-doc` makes them", () => {
    const text = readFileSync(ARCHITECTURE, "utf8");
    expect(text).toBe(architectureDoc(text));
    for (const { name, description } of SERVICES) expect(text).toContain(`| ${name} | ${description} |`);
  });

  test("the table of README.md is too", () => {
    const text = readFileSync(README, "utf8");
    expect(text).toBe(readmeDoc(text));
    for (const { name, description } of SERVICES) expect(text).toContain(`| ${name} | ${description} |`);
  });

  test("package.json has a script for each, as it makes them", () => {
    const text = readFileSync(PACKAGE, "utf8");
    expect(text).toBe(packageJson(text));
  });

  test("each folder of a service has its definition in the list, and a README", () => {
    const folders = readdirSync(join(ROOT, "src/services"));
    expect(folders.toSorted()).toEqual(SERVICES.map(({ name }) => name).toSorted());
    for (const name of folders) expect(existsSync(join(ROOT, "src/services", name, "README.md"))).toBe(true);
  });

  test("what a service makes is in a schema of its own name, but for views in reference that ARCHITECTURE.md names", async () => {
    const made =
      /^ *create (?:or replace )?(?:unlogged |materialized )?(schema|table|view|function) (\w+)(?:\.(\w+))?/gm;
    const text = readFileSync(ARCHITECTURE, "utf8");
    for (const { name, sql } of await readMigrations()) {
      const [service, file] = name.split("/");
      if (file === undefined) continue;
      const all = [...sql.matchAll(made)];
      const elsewhere = all
        .filter(([, , schema]) => schema !== service?.replaceAll("-", "_"))
        .filter(([, kind, schema, view]) => kind !== "view" || !text.includes(`\`${schema}.${view}\` of ${service}`))
        .map(([what]) => what);
      expect([name, all.length > 0, ...elsewhere]).toEqual([name, true]);
    }
  });

  test("a task is worked by the service that its queue is named after, and by no other", () => {
    for (const { name, tasks } of SERVICES) for (const { queue } of tasks.works) expect(queue).toBe(name);
  });

  test("each topic that is followed is published by someone, and each task that is asked for is worked", () => {
    const [published, worked] = [
      // Each process says how it is.
      [HEARTBEATS, ...SERVICES.flatMap(({ topics }) => topics.out)],
      SERVICES.flatMap(({ tasks }) => tasks.works),
    ];
    for (const { topics, tasks } of SERVICES) {
      for (const topic of topics.in) expect(published).toContain(topic);
      for (const task of tasks.asks) expect(worked).toContain(task);
    }
  });
});
