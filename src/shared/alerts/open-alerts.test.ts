import { expect, test } from "bun:test";
import { type AlertCounts, openAlertWords } from "./open-alerts.ts";

test.each<[AlertCounts, string]>([
  [{}, "no alert is open"],
  [{ info: 0 }, "no alert is open"],
  [{ warning: 1 }, "1 alert is open: 1 warning"],
  [{ info: 2, warning: 1, critical: 3 }, "6 alerts are open: 3 critical, 1 warning, 2 info"],
])("open alerts %j in words: %s", (counts, words) => {
  expect(openAlertWords(counts)).toBe(words);
});
