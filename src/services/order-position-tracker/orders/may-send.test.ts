import { describe, expect, test } from "bun:test";
import type { TradingState } from "#shared/domain/account.ts";
import type { RiskLevel } from "#shared/risk/risk-state-rule.ts";
import { whyNotSent } from "./may-send.ts";
import type { SendingSession } from "./standing-store.ts";

const running: SendingSession = { state: "RUNNING", stopPolicy: "keep", gap: null };
const at = (
  state: NonNullable<SendingSession>["state"],
  stopPolicy: NonNullable<SendingSession>["stopPolicy"] = "keep",
) => ({
  state,
  stopPolicy,
  gap: null,
});

/** As of an account that the settings do not name any more: its orders end all the same. */
const unknown = () => {
  throw new Error("There is no such account.");
};

describe("an order is not sent", () => {
  test.each<
    [what: string, session: SendingSession, account: TradingState | null, reduceOnly: boolean, found: string | null]
  >([
    ["of a session that runs", running, "ACTIVE", false, null],
    ["of an account without a row", running, null, false, "DENIED"],
    ["of a session that is gone", undefined, null, true, "CANCELED"],
    ["of a paused one, an entry", at("PAUSED"), null, false, "CANCELED"],
    ["of a paused one, an exit", at("PAUSED"), "ACTIVE", true, null],
    ["of a stopped one, an exit", at("STOPPED"), null, true, "CANCELED"],
    ["of one that cancels all", at("STOPPING", "cancel"), null, true, "CANCELED"],
    ["of one that flattens, an exit", at("STOPPING", "flatten"), "ACTIVE", true, null],
    ["of a halted account", running, "HALTED", true, "DENIED"],
    ["of a paused one whose account is halted", at("PAUSED"), "HALTED", false, "CANCELED"],
    ["of an account that reduces, an entry", running, "REDUCING", false, "DENIED"],
    ["of an account that reduces, an exit", running, "REDUCING", true, null],
  ])("%s: %#", async (_what, session, account, reduceOnly, found) => {
    const order = { signalId: "s", reduceOnly, validUntilMs: null };
    const refused = await whyNotSent({ session, account, risk: null }, order, unknown);
    expect(refused?.state ?? null).toBe(found as never);
  });

  test("once its signal is over by its market's time, which is asked only where nothing else is against it", async () => {
    const order = { signalId: "s", reduceOnly: false, validUntilMs: 1_000 };
    const of = { session: running, account: "ACTIVE", risk: null } as const;
    const late = await whyNotSent(of, order, async () => 1_001);
    expect(late).toEqual({ state: "EXPIRED", code: null, why: "Its signal is not valid any more." });
    expect(await whyNotSent(of, order, async () => 1_000)).toBeNull();
    expect((await whyNotSent({ ...of, session: at("STOPPING", "keep"), account: null }, order, unknown))?.state).toBe(
      "CANCELED",
    );
    expect((await whyNotSent({ ...of, account: "HALTED" }, order, unknown))?.code).toBe("ACCOUNT_HALTED");
  });

  test.each<[level: RiskLevel, signalId: string, reduceOnly: boolean, code: string | null]>([
    [1, "s", false, "RISK_PAUSED"],
    [1, "s", true, null],
    [2, "s", false, "RISK_REDUCING"],
    [2, "s", true, null],
    [3, "s", true, "RISK_HALTED"],
    [3, "flatten:1", true, null],
    [3, "kill:1", true, null],
  ])("while risk holds it back at level %d: %#", async (level, signalId, reduceOnly, code) => {
    const risk = { scope: "account:demo", level, cause: "set by me", sinceMs: 0 };
    const order = { signalId, reduceOnly, validUntilMs: null };
    const refused = await whyNotSent({ session: running, account: "ACTIVE", risk }, order, unknown);
    expect(refused?.code ?? null).toBe(code);
    if (refused !== null) expect(refused.why).toStartWith("The account demo is ");
  });

  test.each([
    ["STOPPED", null],
    ["FAULTED", null],
    ["STOPPING", null],
  ] as const)("of a session that is %s, unless a kill closes it", async (state, found) => {
    const of = { session: at(state, "cancel"), account: "ACTIVE", risk: null } as const;
    expect(await whyNotSent(of, { signalId: "kill:1", reduceOnly: true, validUntilMs: null }, unknown)).toBe(found);
  });
});
