import type { Deps } from "#shared/service/service.ts";
import type { NotificationSettings } from "./settings.ts";

/** What the service works with. */
export interface Place {
  deps: Pick<Deps, "db" | "bus" | "queue" | "leader" | "alertKinds" | "clock" | "log">;
  settings: NotificationSettings;
  /** Aborts when the service stops: what is under way is left to be tried again. */
  stopping: AbortSignal;
}
