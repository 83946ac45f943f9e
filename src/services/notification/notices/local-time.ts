/** What clocks show in a time zone, as an instant of UTC would be written: only to be compared with the like. */
function shownAt(zone: string, atMs: number): number {
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts as Record<string, number>;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(zone, made);
  return made;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Whether it is the name of a time zone of the IANA database, such as Europe/Paris or UTC. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return formatOf(name) !== undefined;
  } catch {
    return false;
  }
}

/** Minutes since midnight of a time like "07:30". */
function minutesOf(time: string): number {
  const [hours = "0", minutes = "0"] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/**
 * The first instant after `afterMs` at which clocks of the zone show this time, UTC epoch milliseconds. Where a day leaves the
 * time out, as clocks go forward, it is the instant that would have shown it; where a day has it twice, one of both.
 */
export function nextAt(time: string, zone: string, afterMs: number): number {
  const midnight = Math.floor(shownAt(zone, afterMs) / DAY_MS) * DAY_MS;
  for (let day = 0; ; day += 1) {
    const at = instantOf(zone, midnight + day * DAY_MS + minutesOf(time) * MINUTE_MS);
    if (at > afterMs) return at;
  }
}

/**
 * The instant at which clocks of the zone show this. The second step is for a change of the clock in between; where clocks go
 * forward over it, one step stands before the change and one behind it, and the later one is meant.
 */
function instantOf(zone: string, shown: number): number {
  const first = shown - (shownAt(zone, shown) - shown);
  const second = first - (shownAt(zone, first) - shown);
  return shownAt(zone, second) === shown ? second : Math.max(first, second);
}

/** Hours in which nothing but critical alerts is told: from one time to another, over midnight where it is the earlier one. */
export interface QuietHours {
  from: string;
  to: string;
}

/** Whether clocks of the zone show a time in these hours: the first minute is in, the last one is not. */
export function isQuiet({ from, to }: QuietHours, zone: string, atMs: number): boolean {
  const minute = Math.floor((shownAt(zone, atMs) % DAY_MS) / MINUTE_MS);
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  return begin < end ? minute >= begin && minute < end : minute >= begin || minute < end;
}

/** A time as a person of the zone reads it: "2026-03-29 07:30 Europe/Berlin". */
export function readable(atMs: number, zone: string): string {
  return `${new Date(shownAt(zone, atMs)).toISOString().slice(0, 16).replace("T", " ")} ${zone}`;
}
