import type { Deps } from "#shared/service/service.ts";
import { Hearing } from "./instances/hearing.ts";
import { readInstances } from "./instances/instance-store.ts";
import { type Standings, standingsOf } from "./instances/standings.ts";
import type { MonitoringSettings } from "./settings.ts";

/** What the parts of the service work with. */
export interface Context {
  deps: Pick<Deps, "db" | "bus" | "queue" | "leader" | "clients" | "alertKinds" | "redisMemory" | "clock" | "log">;
  settings: MonitoringSettings;
  hearing: Hearing;
}

export function createContext(deps: Context["deps"], settings: MonitoringSettings): Context {
  return { deps, settings, hearing: new Hearing() };
}

/** How each instance stands, by what this process hears and by what the leader has written. */
export async function knownInstances({ deps, settings, hearing }: Context): Promise<Standings[]> {
  const rows = await readInstances(deps.db.sql);
  const nowMs = deps.clock.nowMs();
  const heard = hearing.with(rows, nowMs, settings.R3_MONITORING_FORGET_MS);
  return standingsOf(heard, { nowMs, hearingSinceMs: hearing.sinceMs(nowMs) });
}
