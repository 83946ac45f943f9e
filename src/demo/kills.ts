import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { getJson } from "#local/rest.ts";
import { say } from "#local/say.ts";
import { venueAccess } from "./demo-settings.ts";
import type { Engine } from "./engine.ts";
import { type PlannedKill, SERVER_KILLS } from "./kill-plan.ts";

/** A kill as it happened. */
export interface Kill {
  point: string;
  bar: number;
  order: number;
}

const mark = z.object({ point: z.string(), bar: z.number().optional(), order: z.number().optional() });
type Mark = z.infer<typeof mark>;

/** Whether the kill comes from outside, or from a failpoint inside the process that dies. */
export function isServerKill({ point }: PlannedKill): boolean {
  return SERVER_KILLS.some((name) => name === point);
}

function marksOf(folder: string): Mark[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((name) => mark.parse(JSON.parse(readFileSync(join(folder, name), "utf8"))));
}

/** Kills servers while the run goes on, each as soon as the venue has reached its bar. */
export class ServerKiller {
  private readonly done: Mark[] = [];
  private readonly waiting: PlannedKill[];

  constructor(
    private readonly engine: Engine,
    plan: readonly PlannedKill[],
  ) {
    this.waiting = plan.filter(isServerKill).toSorted((a, b) => (a.bar ?? 0) - (b.bar ?? 0));
  }

  /** Looks where the venue is and kills what is due. Call it often. */
  async look(): Promise<void> {
    const next = this.waiting[0];
    if (next === undefined) return;
    const { url } = venueAccess(this.engine.run, this.engine.urls);
    const { bar } = z.object({ bar: z.number() }).parse(await getJson(`${url}/control/state?sinceTradeId=1000000000`));
    if (bar < (next.bar ?? 0)) return;
    const server = next.point.split(".")[0] ?? "";
    if (!this.engine.supervisor.kill(server)) return;
    say(`  ${server} killed with SIGKILL at bar ${bar}`);
    this.waiting.shift();
    this.done.push({ point: next.point, bar });
  }

  /**
   * All kills that happened, in the order of their bars. A place knows its bar or its order; the other one follows from
   * `orderBars`, the bars after which the session ordered.
   */
  happened(orderBars: readonly number[]): Kill[] {
    const marks = [...this.done, ...marksOf(join(this.engine.data.path, "failpoints"))];
    return marks
      .map(({ point, bar, order }) => ({
        point,
        bar: bar ?? orderBars[(order ?? 0) - 1] ?? 0,
        order: order ?? orderBars.filter((at) => at <= (bar ?? 0)).length,
      }))
      .toSorted((a, b) => a.bar - b.bar);
  }
}
