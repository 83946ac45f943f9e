import { expect, test } from "bun:test";
import { getJson } from "#local/rest.ts";
import { ALERT_KINDS, SERVICES } from "#local/services.ts";
import { openGuide } from "#testing/guide.fixture.ts";

const guide = await openGuide("monitoring");

type Answer = { items: Record<string, unknown>[] };

/** Each service is heard and takes work. The venue stands outside the engine, and is not heard. */
async function isReady(api: string): Promise<boolean> {
  const { items } = (await getJson(`${api}/monitoring/services`)) as Answer;
  const ready = items.filter((one) => one["ready"] === 1).map((one) => one["service"]);
  return SERVICES.filter(({ needs }) => needs === "engine").every(({ name }) => ready.includes(name));
}

test("docs/monitoring.md, typed word for word, shows how the engine is, and has a rule of one's own raise an alert", async () => {
  await guide.follow({ isReady }, async ({ blocks, shell }, api) => {
    const page = await (await fetch(`${api}/monitoring/`)).text();
    expect(page).toContain("Every service takes work");
    const [see = "", make = "", word = "", change = "", back = "", ...more] = blocks;
    expect(more).toEqual([]);
    const seen = await shell.type(see);
    for (const text of ['"service":"risk-manager"', '"role":"monitoring:look"', '"atRest":'])
      expect(seen).toContain(text);
    expect(await shell.type(make)).toContain('"scope":"rule:SOMEBODY_WORKS/service:risk-manager"');
    const said = await shell.type(word);
    expect(said).toContain('"acknowledged":{"by":"local"');
    expect(said).toMatch(/"items":\[.*"silenced":\{"by":"local".*"reason":"Until tomorrow."/);
    const changed = await shell.type(change);
    expect(changed).toContain('"limit":50000');
    expect(changed).toContain('"enabled":false');
    expect(changed).toMatch(/"clearedAtMs":\d+/);
    const restored = await shell.type(back);
    expect(restored.match(/"id":"\w+"|"changed":\w+/g)).toEqual([
      '"id":"BUS_LAG"',
      '"changed":false',
      '"id":"PROCESS_MEMORY"',
      '"changed":false',
    ]);
    const { items } = (await getJson(`${api}/monitoring/rules`)) as Answer;
    expect(items.filter((rule) => rule["changed"] === true || rule["shipped"] === false)).toEqual([]);
  });
}, 180_000);

test("each alert that docs/monitoring.md names is one", () => {
  const named = [...guide.text.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \|/gm)].flatMap(([, codes = ""]) =>
    [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code ?? ""),
  );
  expect(named.length).toBeGreaterThan(8);
  for (const code of named) expect(Object.keys(ALERT_KINDS)).toContain(code);
});
