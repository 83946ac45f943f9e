import { afterEach, expect, test } from "bun:test";
import { World } from "#services/notification/notification.fixture.ts";

let world: World;
afterEach(() => world.close());

test("of several changes and creations that want one name at once, one gets it, and the others are told so", async () => {
  world = await World.create();
  const ids: string[] = [];
  for (const name of ["a", "b", "c"]) ids.push((await world.recipient(name)).id);
  for (let round = 0; round < 10; round += 1) {
    const name = `name ${round}`;
    const answers = await Promise.all([
      ...ids.map((id) => world.ask("PATCH", `/recipients/${id}`, { body: { name }, ifMatch: "*" })),
      world.ask("POST", "/recipients", { body: { name, channel: world.hook("new") } }),
    ]);
    const [taken, ...refused] = answers.map(({ status }) => status).toSorted((left, right) => left - right);
    expect(taken).toBeOneOf([200, 201]);
    expect(refused).toEqual([409, 409, 409]);
  }
});
