import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFailpoints, type FailpointPlan } from "./create-failpoints.ts";

let folder = "";
let deaths = 0;

beforeEach(async () => {
  deaths = 0;
  folder = await mkdtemp(join(tmpdir(), "r3-failpoints-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

function create(plans: FailpointPlan[], live = false) {
  return createFailpoints({ plans, folder, live, nowMs: () => 42, die: () => void deaths++ });
}

describe("failpoints", () => {
  test("fire at their point, at the first bar or order that is not below the given one", () => {
    const failpoints = create([{ point: "tracker.order-sent", order: 3 }]);
    failpoints.hit("tracker.fill-received", { order: 3 });
    failpoints.hit("tracker.order-sent", { order: 2 });
    failpoints.hit("tracker.order-sent", { bar: 9 });
    expect(deaths).toBe(0);
    failpoints.hit("tracker.order-sent", { order: 4 });
    expect(deaths).toBe(1);
  });

  test("fire once ever, also in the process that comes after", () => {
    const plans: FailpointPlan[] = [{ point: "risk.decision-made" }];
    const other = create(plans);
    const first = create(plans);
    first.hit("risk.decision-made", {});
    first.hit("risk.decision-made", {});
    other.hit("risk.decision-made", {});
    create(plans).hit("risk.decision-made", {});
    expect(deaths).toBe(1);
  });

  test("fire once for each of two plans of one point", () => {
    const failpoints = create([{ point: "risk.decision-made" }, { point: "risk.decision-made", order: 2 }]);
    failpoints.hit("risk.decision-made", { order: 1 });
    failpoints.hit("risk.decision-made", { order: 2 });
    failpoints.hit("risk.decision-made", { order: 3 });
    expect(deaths).toBe(2);
  });

  test("leave a mark that says where it was", async () => {
    create([{ point: "market-data.candle-stored", bar: 5 }]).hit("market-data.candle-stored", { bar: 7 });
    const [mark = ""] = await readdir(folder);
    expect(await Bun.file(join(folder, mark)).json()).toEqual({ point: "market-data.candle-stored", bar: 7, atMs: 42 });
  });

  test("are refused with a real venue and without a folder", () => {
    expect(() => create([{ point: "risk.decision-made" }], true)).toThrow("real venue");
    expect(() =>
      createFailpoints({ plans: [{ point: "risk.decision-made" }], folder: undefined, live: false, nowMs: () => 0 }),
    ).toThrow("R3_FAILPOINT_FOLDER");
    expect(() => create([], true)).not.toThrow();
  });

  test("kill the process for good", async () => {
    const script = `
      import { createFailpoints } from "#shared/service/create-failpoints.ts";
      const plans = [{ point: "risk.decision-made" }];
      createFailpoints({ plans, folder: ${JSON.stringify(folder)}, live: false, nowMs: () => 1 }).hit("risk.decision-made", {});
      console.log("survived");
    `;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdout: "pipe",
      cwd: join(import.meta.dir, "../../.."),
    });
    expect(await child.exited).toBe(137);
    expect(await child.stdout.text()).toBe("");
    expect(await readdir(folder)).toEqual(["0-risk.decision-made.json"]);
  });
});
