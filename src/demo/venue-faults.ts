import { z } from "zod";
import { getJson, postJson } from "#local/rest.ts";
import { KEPT_BARS, type PlannedFault, type VenueFault } from "./fault-plan.ts";

const listSchema = z.object({
  faults: z.array(z.looseObject({ fault: z.string(), struck: z.number(), over: z.boolean() })),
});

/** Sets the faults of a market in place of those before. */
export async function setFaults(url: string, seed: number, faults: readonly VenueFault[]): Promise<void> {
  await postJson(`${url}/control/faults`, { seed, faults });
}

/** How often each fault of a market has struck. */
export async function strikesOf(url: string): Promise<{ fault: string; struck: number; over: boolean }[]> {
  return listSchema.parse(await getJson(`${url}/control/faults`)).faults;
}

export const struckSchema = z.object({ fault: z.string(), bar: z.number().int() });
/** A fault that has struck, and the bar at which it was set. */
export type Struck = z.infer<typeof struckSchema>;

/**
 * Makes a market misbehave by a plan, as its replay goes on: what is due is set, and stays until each of its faults has
 * struck; then the next. A venue that was restarted, or a fault whose time was over before anything passed it, gets it again.
 */
export class FaultDriver {
  readonly struck: Struck[];
  readonly #waiting: PlannedFault[];
  /** The bar at which the first of those that wait was set. Null: it is not. */
  #setAtBar: number | null = null;

  /** `struck`: what had struck when another driver of the same plan ended. */
  constructor(
    private readonly url: string,
    private readonly seed: number,
    { plan, struck }: { plan: readonly PlannedFault[]; struck: readonly Struck[] },
  ) {
    this.struck = [...struck];
    let left = struck.length;
    this.#waiting = plan.filter(({ faults }) => {
      left -= faults.length;
      return left < 0;
    });
  }

  /** Looks at this bar whether something is due or has struck. */
  async look(bar: number): Promise<void> {
    const next = this.#waiting[0];
    if (next === undefined || bar < next.bar) return;
    const { faults } = next;
    if (this.#setAtBar === null) {
      await setFaults(this.url, this.seed, faults);
      this.#setAtBar = bar;
      return;
    }
    const list = await strikesOf(this.url);
    const isWhole = list.length === faults.length;
    if (!isWhole || list.some(({ over, struck }) => over && struck === 0)) {
      await setFaults(this.url, this.seed, faults);
    } else if (list.every(({ struck }) => struck > 0) && bar >= this.#setAtBar + KEPT_BARS) {
      await setFaults(this.url, this.seed, []);
      for (const { fault } of faults) this.struck.push({ fault, bar: this.#setAtBar });
      this.#waiting.shift();
      this.#setAtBar = null;
    }
  }
}
