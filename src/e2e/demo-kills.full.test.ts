import { expect, test } from "bun:test";
import { runDemo } from "#testing/demo.fixture.ts";

/** Seeds 1 and 2 are played elsewhere; together all kill points are. */
test.each([
  ["3", ["executor.transaction-open", "market-data.candle-stored", "tracker.order-sent"]],
  ["4", ["conductor.released", "risk.decision-made", "tracker.fill-received"]],
])(
  "600 bars with the kills of seed %s give the same",
  async (seed, points) => {
    const args = ["--bars", "600", "--processes", "--kill", "3", "--seed", seed];
    const { line, checker, leftRunning } = await runDemo(args);
    expect(line).toMatchObject({ bars: 600, orders: 19, finalEquity: "8557.6977269286266", equal: true });
    expect(line.kills?.map(({ point }) => point).toSorted()).toEqual(points);
    expect(checker).toEqual({ code: 0, said: "19 orders, 18 fills, 600 equity points agree." });
    expect(leftRunning).toEqual([]);
  },
  200_000,
);
