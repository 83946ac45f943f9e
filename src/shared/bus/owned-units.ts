import type { OwnedUnit, OwnOptions, Running } from "./bus.ts";
import { endsWithin } from "./handler-deadline.ts";
import { Ownership } from "./ownership.ts";
import { allotmentOf } from "./rendezvous-allotment.ts";
import type { BusContext } from "./subscription.ts";

/** One member of a group that owns units and reads nothing. */
export class OwnedUnits implements Running {
  readonly #ownership: Ownership;

  constructor(
    private readonly context: BusContext,
    private readonly options: OwnOptions,
  ) {
    const { leader, clock, log, instance, partitions } = context;
    const member = `${instance}-${crypto.randomUUID().slice(0, 8)}`;
    this.#ownership = new Ownership({
      group: options.group,
      member,
      units: partitions,
      allotment: allotmentOf(context, options.group, member),
      leader,
      clock,
      log,
      onTaken: () => Promise.resolve(),
      run: (unit) => this.#hold(unit),
    });
    this.#ownership.start();
  }

  get ready(): Promise<void> {
    return this.#ownership.ready;
  }

  close(): Promise<void> {
    return this.#ownership.stop();
  }

  async #hold(unit: OwnedUnit): Promise<void> {
    const { clock, poison } = this.context;
    const place = { unit, clock, poison };
    try {
      await endsWithin(place, this.options.onAcquired(unit));
      if (!unit.signal.aborted)
        await new Promise<void>((resolve) => unit.signal.addEventListener("abort", () => resolve(), { once: true }));
    } finally {
      await endsWithin(place, this.options.onReleased(unit));
    }
  }
}
