import { z } from "zod";
import type { CommissionRule } from "#services/paper-exchange/ledger/ledger.ts";
import type { Market } from "#services/paper-exchange/market/market.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { randomFrom } from "#shared/random/random-from.ts";
import type { Call, CommonParameters, FaultKind, Frame, Misbehaviour, Reach, Reply, StreamKind } from "./fault.ts";
import { LIST_FAULTS } from "./list-faults.ts";
import { REQUEST_FAULTS } from "./request-faults.ts";
import { RULE_FAULTS } from "./rule-faults.ts";
import { STREAM_FAULTS } from "./stream-faults.ts";

/** Every way in which a simulated venue can misbehave. */
export const FAULT_KINDS: readonly FaultKind[] = [...REQUEST_FAULTS, ...STREAM_FAULTS, ...LIST_FAULTS, ...RULE_FAULTS];

const schemas = FAULT_KINDS.map(({ schema }) => schema) as unknown as [
  z.ZodObject<{ fault: z.ZodLiteral<string> }>,
  ...z.ZodObject<{ fault: z.ZodLiteral<string> }>[],
];
const faultSchema = z.discriminatedUnion("fault", schemas);

/** The faults of a market: which, and the seed that draws when they strike. */
export const faultsSchema = z.strictObject({
  seed: z.number().int().min(0).max(4_294_967_295).default(1).describe("Draws when they strike"),
  faults: z.array(faultSchema).max(100).default([]).describe("In place of those before; none: it behaves again"),
});
export type FaultSettings = z.infer<typeof faultsSchema>;

/** A fault that is set, and how often it has struck. */
export const activeFaultSchema = z.looseObject({
  fault: z.string().describe("Which fault it is"),
  struck: z.number().int().describe("How often it has struck"),
  over: z.boolean().describe("Its time is over"),
});

interface Active {
  settings: CommonParameters;
  struck: number;
  untilMs: number | null;
  over: boolean;
  does: Misbehaviour;
}

/** The misbehaviour of one market. Without a fault every question is answered as cheaply as if there were none. */
export class Faults {
  #active: Active[] = [];
  readonly #market: Market;
  readonly #clock: Clock;
  readonly #disconnect: Reach["disconnect"];

  constructor(of: { market: Market; clock: Clock; disconnect: Reach["disconnect"] }) {
    this.#market = of.market;
    this.#clock = of.clock;
    this.#disconnect = of.disconnect;
  }

  /** Replaces what is set. */
  set({ seed, faults }: FaultSettings): void {
    for (const { does } of this.#active) does.stop?.();
    this.#active = [];
    for (const [index, settings] of faults.entries())
      this.#begin(settings as unknown as CommonParameters, seed + index);
    const isNone = faults.length === 0;
    this.#market.ruledBy(isNone ? null : (instrument) => this.#rules(instrument));
    this.#market.chargeCommission(isNone ? null : (fill) => this.#commission(fill));
    this.#market.cutMatches(isNone ? null : (order) => this.#current().some(({ does }) => does.cuts?.(order)));
  }

  /** What is set, with what it was given and how often it has struck. */
  get list(): z.infer<typeof activeFaultSchema>[] {
    return this.#current().map(({ settings, struck, over, does }) => ({
      ...settings,
      ...does.tells?.(),
      struck,
      over: over || does.isOver?.() === true,
    }));
  }

  /** Those whose time is not over. */
  get names(): string[] {
    const inForce = this.#current().filter(({ over, does }) => !over && does.isOver?.() !== true);
    return [...new Set(inForce.map(({ settings }) => settings.fault))];
  }

  before(call: Call): Reply | null {
    for (const { does } of this.#current()) {
      const reply = does.before?.(call) ?? null;
      if (reply !== null) return reply;
    }
    return null;
  }

  after(call: Call, reply: Reply): Reply {
    return this.#current().reduce((now, { does }) => does.after?.(call, now) ?? now, reply);
  }

  /** Sends a frame as far as it is to be sent. */
  send(frame: Frame): void {
    let text: string | null = frame.text;
    for (const { does } of this.#current()) {
      if (text !== null && does.frame !== undefined) text = does.frame({ ...frame, text });
    }
    if (text !== null) frame.send(text);
  }

  /** Acknowledges a subscription when it is to be acknowledged, if ever. */
  acknowledge(kind: StreamKind, send: () => void): void {
    let delayMs = 0;
    for (const { does } of this.#current()) {
      const when = does.acknowledges?.(kind) ?? 0;
      if (when === "never") return;
      delayMs = Math.max(delayMs, when);
    }
    if (delayMs === 0) send();
    else void this.#clock.sleep(delayMs).then(send);
  }

  /** The market as those see it who ask. Nothing is to be changed through it. */
  view(): Market {
    const seen = this.#current().reduce((market, { does }) => does.view?.(market) ?? market, this.#market);
    const aheadMs = this.#current().reduce((sum, { does }) => sum + (does.aheadMs?.() ?? 0), 0);
    if (aheadMs === 0) return seen;
    const clock: Clock = Object.create(this.#clock, { nowMs: { value: () => this.#clock.nowMs() + aheadMs } });
    return Object.create(seen, { clock: { value: clock } }) as Market;
  }

  #rules(instrument: Instrument): Instrument {
    return this.#current().reduce((now, { does }) => does.rules?.(now) ?? now, instrument);
  }

  /** The last that was set of those that strike. */
  #commission(fill: Parameters<CommissionRule>[0]): ReturnType<CommissionRule> {
    for (const { does } of this.#current().toReversed()) {
      const commission = does.commission?.(fill) ?? null;
      if (commission !== null) return commission;
    }
    return null;
  }

  #begin(settings: CommonParameters, seed: number): void {
    const kind = FAULT_KINDS.find(({ name }) => name === settings.fault);
    if (kind === undefined) throw new RangeError(`There is no fault "${settings.fault}".`);
    const random = randomFrom(seed);
    const active: Active = {
      settings,
      struck: 0,
      untilMs: settings.forMs === undefined ? null : this.#clock.nowMs() + settings.forMs,
      over: false,
      does: {},
    };
    let chances = 0;
    const strikes = (): boolean => {
      chances += 1;
      const isDrawn = random() < settings.probability;
      if (chances <= settings.after || !isDrawn) return false;
      if (settings.times !== undefined && active.struck >= settings.times) return false;
      active.struck += 1;
      return true;
    };
    const reach: Reach = { market: this.#market, clock: this.#clock, disconnect: this.#disconnect, strikes };
    active.does = kind.begin(settings as never, reach);
    this.#active.push(active);
  }

  /** All that are set: those whose time is over do nothing any more, and stay listed. */
  #current(): readonly Active[] {
    if (this.#active.length === 0) return this.#active;
    const nowMs = this.#clock.nowMs();
    for (const one of this.#active) {
      if (one.untilMs === null || nowMs < one.untilMs) continue;
      one.untilMs = null;
      one.over = true;
      one.does.stop?.();
      one.does = {};
    }
    return this.#active;
  }
}
