import { cut } from "#services/notification/channels/channel.ts";
import type { MessageContent } from "./content.ts";
import { readable } from "./local-time.ts";

/** Room for the lines of a digest: the smallest chat takes 2,000 characters. */
const MOST_LINES = 1_600;

const RANKS = ["info", "warning", "critical"] as const;

/**
 * One message of all that was held back: a line each, what is critical first, else in their order, for as long as there is room.
 * Then how many more there were, and how many of those are critical. One alone is told as it is.
 */
export function digestOf(
  held: readonly MessageContent[],
  { count, critical, timeZone, nowMs }: { count: number; critical: number; timeZone: string; nowMs: number },
): MessageContent {
  const [first] = held;
  if (first !== undefined && count === 1) return first;
  const sinceMs = first?.atMs ?? nowMs;
  const lines: string[] = [];
  let room = MOST_LINES;
  const isCritical = ({ severity }: MessageContent): boolean => severity === "critical";
  const inOrder = [...held.filter(isCritical), ...held.filter((one) => !isCritical(one))];
  for (const { title } of inOrder) {
    const line = `- ${cut(title, MOST_LINES / 4)}`;
    if (line.length + 1 > room) break;
    room -= line.length + 1;
    lines.push(line);
  }
  const more = count - lines.length;
  const criticalMore = critical - inOrder.slice(0, lines.length).filter(isCritical).length;
  if (more > 0) lines.push(`and ${more} more${criticalMore > 0 ? `, ${criticalMore} of them critical` : ""}`);
  const rank = RANKS.findLast((one) => held.some(({ severity }) => severity === one)) ?? "info";
  return {
    kind: "digest",
    severity: critical > 0 ? "critical" : rank,
    title: `${count} ${count === 1 ? "message" : "messages"} since ${readable(sinceMs, timeZone)}`,
    text: lines.join("\n"),
    atMs: held.at(-1)?.atMs ?? nowMs,
    data: { count, critical },
  };
}
