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
  { count, critical, timeZone }: { count: number; critical: number; timeZone: string },
): MessageContent {
  const [first] = held;
  if (first !== undefined && count === 1) return first;
  const since = first?.atMs ?? 0;
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
  const severity = RANKS.findLast((rank) => held.some((one) => one.severity === rank)) ?? "info";
  return {
    kind: "digest",
    severity,
    title: `${count} messages since ${readable(since, timeZone)}`,
    text: lines.join("\n"),
    atMs: held.at(-1)?.atMs ?? since,
    data: { count, critical },
  };
}
