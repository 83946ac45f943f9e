/** Characters of what is no Error that are told. */
const TOLD = 200;
const UNREADABLE = "it threw what cannot be read";

/** What a strategy threw, in words: anything can be thrown, also what cannot be read. */
export function wordsOf(thrown: unknown): string {
  if (typeof thrown === "string" && thrown !== "") return thrown;
  try {
    if (thrown instanceof Error) return ownWords(thrown);
    return `it threw ${Bun.inspect(thrown).slice(0, TOLD)}, which is no Error`;
  } catch {
    return UNREADABLE;
  }
}

/** Where in a file of the strategy an error, or what it tells of, was thrown, like "sma.ts, line 6". Null: it cannot be known. */
export function placeOf(error: unknown): string | null {
  try {
    const thrown = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const frame = thrown instanceof Error ? /\/([^/\s():]+\.ts):(\d+):\d+/.exec(ownFrames(thrown)) : null;
    return frame === null ? null : `${frame[1]}, line ${frame[2]}`;
  } catch {
    return null;
  }
}

/** A getter or a proxy may give anything. */
function ownWords({ message, name }: Error): string {
  const words: unknown = message || name;
  return typeof words === "string" && words !== "" ? words : UNREADABLE;
}

/** The stack without what belongs to the engine. */
function ownFrames({ stack = "" }: Error): string {
  const engine = new URL("../", import.meta.url).pathname;
  const foreign = (line: string) => !line.includes(engine) && !line.includes("node_modules");
  return stack.split("\n").filter(foreign).join("\n");
}
