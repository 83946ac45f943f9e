import { shuffled } from "#local/shuffled.ts";
import { randomFrom } from "#shared/random/random-from.ts";

/** How the services run: all in one process, a process for each, or with a second one of those that share work. */
export const LAYOUTS = ["one", "each", "replicas"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** Services of which the layout with replicas has two. */
export const REPLICATED = ["strategy-executor", "risk-manager", "order-position-tracker"] as const;

/** What may happen to a run, and what it is, for the table. */
export const FAULTS = {
  "service-killed": "a process of the engine is ended by SIGKILL",
  "service-frozen": "a process of the engine stands still, and goes on",
  "venue-killed": "the venue's process is ended by SIGKILL",
  "venue-frozen": "the venue's process stands still, and goes on",
  "redis-wiped": "FLUSHALL",
  "redis-killed": "SIGKILL",
  "redis-frozen": "stands still, and goes on",
  "redis-file-cut": "SIGKILL, and the end of its file is gone",
  "redis-file-zeroed": "SIGKILL, and the end of its file is zeros, as after a power cut",
  "redis-connections-cut": "all connections break, and none is taken for a while",
  "redis-connections-silent": "nothing passes on any connection, and none is closed",
  "postgres-backends-ended": "pg_terminate_backend of each connection",
  "postgres-killed": "the postmaster is ended by SIGKILL",
  "postgres-quit": "the postmaster is ended by SIGQUIT",
  "postgres-frozen": "all its processes stand still, and go on",
  "postgres-connections-cut": "all connections break, and none is taken for a while",
  "postgres-connections-silent": "nothing passes on any connection, and none is closed",
} as const;
export type FaultName = keyof typeof FAULTS;

export interface PlannedFault {
  fault: FaultName;
  /** It strikes once this bar has closed. */
  bar: number;
  /** The program it happens to, where that is one of several. */
  program: string | null;
  /** How long it lasts, where it does, in milliseconds. */
  lastsMs: number;
}

const FAULTS_A_RUN = 10;
/** None begins in the last bars: what it broke has to heal within the run. */
const QUIET_SHARE = 0.95;
const [LEAST_MS, MOST_MS] = [1_000, 8_000];

/** Ten faults, in the order that the seed draws, spread over the run. The same options give the same plan. */
export function planFaults(options: {
  seed: number;
  bars: number;
  /** Programs of the engine, and the one that the venue runs in. */
  programs: readonly string[];
  venue: string;
}): PlannedFault[] {
  const { seed, bars, programs, venue } = options;
  const random = randomFrom(seed);
  const names = shuffled(Object.keys(FAULTS) as FaultName[], random).slice(0, FAULTS_A_RUN);
  const others = programs.length === 1 ? programs : programs.filter((name) => name !== venue);
  return names.map((fault, index) => {
    const other = others[Math.floor(random() * others.length)] ?? venue;
    return {
      fault,
      bar: Math.floor((bars * QUIET_SHARE * (index + random())) / FAULTS_A_RUN) + 1,
      program: fault.startsWith("venue") ? venue : fault.startsWith("service") ? other : null,
      lastsMs: Math.round(LEAST_MS + (MOST_MS - LEAST_MS) * random()),
    };
  });
}
