import { type DestinationStream, type Logger, pino } from "pino";
import { isColorSupported, prettyFactory } from "pino-pretty";

export type { Logger } from "pino";

export interface LoggerOptions {
  level: string;
  /** auto: pretty when the output is a terminal. */
  format: "auto" | "json" | "pretty";
  isTerminal: boolean;
  /** In every line. */
  fields?: Record<string, string>;
  /** Default: standard output, written at once. */
  destination?: DestinationStream;
}

/** Names under which a secret may come into a line, at the top and one level below. */
const SECRETS = ["secret", "apiKey", "password", "signature", "authorization", "DATABASE_URL", "REDIS_URL"];

/**
 * The log of a process: one JSON line a fact, or lines for a person. Everything is written at once and in this thread:
 * a worker of its own would cost memory and lose the last lines of a process that dies.
 */
export function createLogger(options: LoggerOptions): Logger {
  const isPretty = options.format === "pretty" || (options.format === "auto" && options.isTerminal);
  const output = options.destination ?? destinationAt(1);
  const stream = isPretty ? forPeople(output, options.isTerminal && isColorSupported) : output;
  return pino(
    {
      level: options.level,
      base: options.fields ?? {},
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: "[secret]" },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    stream,
  );
}

/** What waits for a full disk, in bytes at most; further lines are lost. */
const MOST_WAITING_BYTES = 1_048_576;

/** Writes to a file descriptor, at once. A line that cannot be written (a full disk) never ends what it tells of. */
export function destinationAt(fd: number): DestinationStream {
  const output = pino.destination({ fd, sync: true, maxLength: MOST_WAITING_BYTES });
  output.on("error", () => undefined);
  return output;
}

function forPeople(output: DestinationStream, colorize: boolean): DestinationStream {
  const prettify = prettyFactory({ colorize, translateTime: "SYS:HH:MM:ss.l", ignore: "pid,hostname" });
  return { write: (line) => output.write(prettify(line)) };
}
