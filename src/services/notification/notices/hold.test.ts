import { describe, expect, test } from "bun:test";
import { afterHeld, afterMessage, heldLonger, heldUntil, isKept, placeOf, type Standing } from "./hold.ts";

const NOON = Date.parse("2026-01-01T12:00:30Z");
const NIGHT = Date.parse("2026-01-01T23:00:30Z");
const MORNING = Date.parse("2026-01-02T07:00:00Z");
const MINUTE_MS = 60_000;
const none = { quietHours: null, digestMinutes: null, throttlePerMinute: null, timeZone: "UTC" };
const quiet = { ...none, quietHours: { from: "22:00", to: "07:00" } };
const empty: Standing = {
  heldCount: 0,
  heldCritical: 0,
  releaseAtMs: null,
  throttleMinute: 0,
  throttleCount: 0,
  waiting: 0,
};
const at = (nowMs: number, severity: "info" | "critical" = "info") => ({ severity, nowMs, laneLimit: 10 });
const send = { kind: "send" } as const;
const hold = (untilMs: number) => ({ kind: "hold", untilMs }) as const;

describe("where a notice goes", () => {
  test("at once, where nothing is said", () => expect(placeOf(none, empty, at(NIGHT))).toEqual(send));

  test("quiet hours hold back until their end all but what is critical", () => {
    expect(placeOf(quiet, empty, at(NIGHT))).toEqual(hold(MORNING));
    expect(placeOf(quiet, empty, at(NIGHT, "critical"))).toEqual(send);
    expect(placeOf(quiet, empty, at(NOON))).toEqual(send);
  });

  test("a digest holds back for its minutes, and never into quiet hours", () => {
    const digest = { ...quiet, digestMinutes: 15 };
    expect(placeOf(digest, empty, at(NOON))).toEqual(hold(NOON + 15 * MINUTE_MS));
    expect(placeOf(digest, empty, at(NOON, "critical"))).toEqual(send);
    const beforeTen = Date.parse("2026-01-01T21:50:00Z");
    expect(placeOf(digest, empty, at(beforeTen))).toEqual(hold(MORNING));
  });

  test("a throttle lets so many through in a minute; what is critical is counted, and never held", () => {
    const throttled = { ...none, throttlePerMinute: 2 };
    let standing = empty;
    for (let count = 0; count < 2; count += 1) {
      expect(placeOf(throttled, standing, at(NOON, "critical"))).toEqual(send);
      standing = afterMessage(standing, NOON);
    }
    const nextMinute = NOON + 30_000;
    expect(placeOf(throttled, standing, at(NOON))).toEqual(hold(nextMinute));
    expect(placeOf(throttled, standing, at(NOON, "critical"))).toEqual(send);
    expect(placeOf(throttled, standing, at(nextMinute))).toEqual(send);
  });

  test("what comes behind something that is held is held with it", () => {
    const held = afterHeld(empty, NOON + 5_000, "info");
    expect(placeOf(none, held, at(NOON))).toEqual(hold(NOON + 5_000));
    expect(placeOf(none, held, at(NOON, "critical"))).toEqual(send);
  });

  test("a lane that is full takes none until the next minute, and then only where it has room", () => {
    const full = { ...empty, waiting: 10 };
    expect(placeOf(none, full, at(NOON, "critical"))).toEqual(hold(NOON + 30_000));
    expect(heldLonger(full, { nowMs: NOON, laneLimit: 10 })).toBe(NOON + 30_000);
    expect(heldLonger({ ...full, waiting: 9 }, { nowMs: NOON, laneLimit: 10 })).toBeNull();
  });

  test("of several that are held the earliest time counts", () => {
    const standing = afterHeld(afterHeld(empty, NOON + 9_000, "info"), NOON + 5_000, "critical");
    expect(standing).toMatchObject({ heldCount: 2, heldCritical: 1, releaseAtMs: NOON + 5_000 });
    const later = afterHeld(standing, NOON + 7_000, "warning");
    expect(later).toMatchObject({ heldCount: 3, heldCritical: 1, releaseAtMs: NOON + 5_000 });
  });

  describe("other preferences release what is held", () => {
    const noonDigest = { ...none, digestMinutes: 60 };
    const untilMorning = afterHeld(empty, MORNING, "info");
    const untilMidnight = afterHeld(empty, NIGHT + 60 * MINUTE_MS, "info");
    test.each<[string, Parameters<typeof heldUntil>[0], Standing, number, number | null]>([
      ["at once, where nothing holds it back any more", none, untilMorning, NIGHT, NIGHT],
      [
        "at the new end of quiet hours",
        { ...quiet, quietHours: { from: "22:00", to: "05:00" } },
        untilMorning,
        NIGHT,
        MORNING - 120 * MINUTE_MS,
      ],
      [
        "not before the new end of longer quiet hours",
        { ...quiet, quietHours: { from: "22:00", to: "09:00" } },
        untilMorning,
        NIGHT,
        MORNING + 120 * MINUTE_MS,
      ],
      ["at the end of quiet hours where a digest would end in them", quiet, untilMidnight, NIGHT, MORNING],
      [
        "by another time zone's clocks",
        { ...quiet, timeZone: "Europe/Berlin" },
        untilMorning,
        NIGHT,
        MORNING - 60 * MINUTE_MS,
      ],
      [
        "after the minutes of a shorter digest at the latest",
        { ...noonDigest, digestMinutes: 5 },
        untilMidnight,
        NOON,
        NOON + 5 * MINUTE_MS,
      ],
      [
        "no later than before for a longer digest",
        { ...noonDigest, digestMinutes: 1_440 },
        untilMidnight,
        NOON,
        NIGHT + 60 * MINUTE_MS,
      ],
      ["in the next minute where a lane is full", none, { ...untilMorning, waiting: 10 }, NIGHT, NIGHT + 30_000],
      [
        "at once where something critical is held and there is room",
        quiet,
        afterHeld(untilMorning, MORNING, "critical"),
        NIGHT,
        NIGHT,
      ],
      ["never, where nothing is held", quiet, empty, NIGHT, null],
    ])("%s", (_what, preferences, standing, nowMs, expected) => {
      expect(heldUntil(preferences, standing, { nowMs, laneLimit: 10 })).toBe(expected);
    });
  });

  test("fifty are kept to be told, what is critical before the rest", () => {
    const full = { ...empty, heldCount: 50, heldCritical: 49 };
    expect([isKept(full, "warning"), isKept(full, "critical")]).toEqual([false, true]);
    expect(isKept({ ...full, heldCritical: 50 }, "critical")).toBe(false);
    expect(isKept({ ...full, heldCount: 49 }, "info")).toBe(true);
  });
});
