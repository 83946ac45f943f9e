import { expect, test } from "bun:test";
import { standingsOf } from "#services/monitoring/instances/standings.ts";
import { beatOf } from "#services/monitoring/monitoring.fixture.ts";
import type { Beat } from "#shared/messages/topics.ts";
import { instanceSamples } from "./samples.ts";

function clocks(...beats: Pick<Beat, "instance" | "host" | "venueClocks">[]) {
  const heard = beats.map((beat) => {
    const said = beatOf({ service: "order-position-tracker", ...beat });
    return { beat: said, heardAtMs: 1_000, missed: beat.instance === "dead", replacedBy: null };
  });
  return instanceSamples(standingsOf(heard, { nowMs: 1_000, hearingSinceMs: 0 }))
    .filter(({ fact }) => fact === "venue.clock")
    .map(({ subject, value, detail }) => [subject, value, detail]);
}
const at = (offsetMs: number, roundTripMs: number, measuredAtMs: number) => {
  return { venue: "binance", offsetMs, roundTripMs, measuredAtMs };
};

test("a venue's clock is off by what is certain of it, by the newest word of each machine, and a replay's is not", () => {
  const replay = { venue: "demo", offsetMs: null, roundTripMs: null, measuredAtMs: null };
  const samples = clocks(
    { instance: "one", host: "desk", venueClocks: [at(-800, 40, 7), replay] },
    { instance: "two", host: "desk", venueClocks: [at(100, 40, 6)] },
    { instance: "three", host: "rack", venueClocks: [at(600, 1_300, 5)] },
    { instance: "dead", host: "rack", venueClocks: [at(9_000, 2, 8)] },
  );
  expect(samples).toEqual([
    ["venue:binance/desk", 780, "its clock is 800 ms behind (± 20 ms)"],
    ["venue:binance/rack", 0, "its clock is 600 ms ahead (± 650 ms)"],
  ]);
});
