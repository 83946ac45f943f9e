import type { Running } from "#shared/bus/bus.ts";
import type { Deps, ServiceDefinition } from "#shared/service/service.ts";
import type { TemplateSettings } from "./settings.ts";

/** What the service works with. */
export interface Place {
  deps: Pick<Deps, "db" | "bus" | "queue" | "leader" | "clock" | "log">;
  settings: TemplateSettings;
}

/** How several instances share the work, and what each of them runs. */
export interface Scaling extends Pick<ServiceDefinition, "tasks"> {
  /** In a few words, for the documents. */
  words: string;
  /** Starts what an instance runs; it is closed in reverse order. */
  begin(place: Place): Running[];
}
