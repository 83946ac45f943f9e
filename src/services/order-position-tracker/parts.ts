import type { Deps } from "#shared/service/service.ts";
import type { ServerClocks } from "./account/server-clocks.ts";
import type { Instruments } from "./instruments.ts";
import type { Recorder } from "./money/record-venue.ts";
import type { RecordedAnswers } from "./orders/recorded-answers.ts";
import type { OrderPositionTrackerSettings } from "./settings.ts";

/** What the service's parts share: the ports, the settings, and the parts that all of them need. */
export interface Parts {
  deps: Deps;
  settings: OrderPositionTrackerSettings;
  instruments: Instruments;
  serverClocks: ServerClocks;
  recorder: Recorder;
  answers: RecordedAnswers;
}
