import type { Leader } from "#shared/leader/leader.ts";
import type { Allotment } from "./allotment.ts";
import type { Broker } from "./broker.ts";
import type { LogStore } from "./log-store.ts";
import { memberFor } from "./rendezvous.ts";

/** What an allotment is made from. */
export interface AllotmentSources {
  broker: Pick<Broker, "allotment">;
  logStore: Pick<LogStore, "beat" | "leave">;
  leader: Pick<Leader, "leaseMs">;
}

/** The broker's own allotment, or rendezvous hashing where it brings none. The member's name is unique in its group. */
export function allotmentOf({ broker, logStore, leader }: AllotmentSources, group: string, member: string): Allotment {
  return broker.allotment?.(group, member) ?? allotByRendezvous(logStore, leader.leaseMs, { group, member });
}

/** Among the members that have announced themselves within their lease. A member always counts itself. */
function allotByRendezvous(
  members: AllotmentSources["logStore"],
  leaseMs: number,
  { group, member }: { group: string; member: string },
): Allotment {
  return {
    // Whom a busy machine kept silent for a moment shall not lose its units.
    steadyMs: leaseMs,
    async look() {
      const present = [...new Set([member, ...(await members.beat(group, member, leaseMs))])];
      return (unit) => memberFor(unit, present) ?? member;
    },
    leave: () => members.leave(group, member),
  };
}
