import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { type EnginePlace, joinBus } from "./joined-bus.ts";

/** Raises alerts as a service of the engine does. */
export interface AlertSource {
  /** So many, of a scope each, ten in a transaction. */
  raise(count: number): Promise<void>;
  close(): Promise<void>;
}

const AT_ONCE = 10;
const KIND = {
  code: "BENCH",
  severity: "info",
  meaning: "A benchmark runs.",
  toDo: "Nothing.",
  ends: "condition",
} as const;

/** Joins the engine of these settings as a process of its own. */
export async function openAlertSource(place: EnginePlace): Promise<AlertSource> {
  const joined = await joinBus(place);
  const { bus, db, clock } = joined;
  let raised = 0;
  return {
    async raise(count) {
      for (let left = count; left > 0; left -= AT_ONCE)
        await db.transaction(async (tx) => {
          for (let n = Math.min(left, AT_ONCE); n > 0; n -= 1) {
            const scope = `topic:${(raised += 1)}`;
            await raiseAlert(tx, { bus, clock }, { scope, kind: KIND, text: "So.", data: {} });
          }
        });
    },
    close: () => joined.close(),
  };
}
