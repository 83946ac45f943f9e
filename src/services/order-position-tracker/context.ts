import type { OnUnreadable } from "#shared/db/reference-rows.ts";
import type { Deps } from "#shared/service/service.ts";
import type { ServerClocks } from "./account/server-clocks.ts";
import type { KnownInstruments } from "./known-instruments.ts";
import type { RecordedAnswers } from "./record/recorded-answers.ts";
import type { Recorder } from "./record/recorder.ts";
import type { OrderPositionTrackerSettings } from "./settings.ts";

/** What the modules of this service share: its ports, its settings, and the objects that all of them need. */
export interface TrackerContext {
  deps: Deps;
  settings: OrderPositionTrackerSettings;
  instruments: KnownInstruments;
  /** Tells the log of a row of `reference` that cannot be read, once. */
  onUnreadable: OnUnreadable;
  serverClocks: ServerClocks;
  recorder: Recorder;
  answers: RecordedAnswers;
}
