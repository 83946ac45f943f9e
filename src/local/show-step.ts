import { styleText } from "node:util";
import ora from "ora";

/** Seconds since `sinceMs` (of performance.now()), as people read them. */
export function took(sinceMs: number, nowMs = performance.now()): string {
  return `${((nowMs - sinceMs) / 1_000).toFixed(1)} s`;
}

/** A step while it runs. */
export interface Shown {
  /** Shows how far it is. */
  say(progress: string): void;
  /** Shows it no more. */
  end(): void;
}

/** How a step ended. */
export type Ending = "done" | "failed" | "interrupted";

const MARKS = { done: ["green", "✔"], failed: ["red", "✖"], interrupted: ["yellow", "■"] } as const;

const titleOf = (name: string, progress: string): string => (progress === "" ? name : `${name}: ${progress}`);

/** The line that stays of a step. Coloured on a terminal alone, and never with NO_COLOR. */
export function endLine(step: { name: string; progress: string; ending: Ending; sinceMs: number }): string {
  const { name, progress, ending, sinceMs } = step;
  const [color, mark] = MARKS[ending];
  const after = ending === "interrupted" ? `interrupted after ${took(sinceMs)}` : took(sinceMs);
  return `${styleText(color, mark, { stream: process.stderr })} ${titleOf(name, progress)} (${after})`;
}

/** Shows a step as a line that moves. Null: standard error is no terminal that could. */
export function withSpinner(name: string): Shown | null {
  const color = styleText("cyan", "o", { stream: process.stderr }) === "o" ? false : "cyan";
  const spinner = ora({ text: name, color, stream: process.stderr, discardStdin: false });
  // On a terminal that does not know its width, ora would clear lines without end.
  if (!spinner.isEnabled || !process.stderr.columns) return null;
  spinner.start();
  return {
    say: (progress) => {
      spinner.text = titleOf(name, progress);
    },
    end: () => spinner.stop(),
  };
}

/** So long a log may be silent before its reader wonders whether anything still happens. */
const SILENT_MS = 15_000;

/** Shows a step as lines of a log: nothing while it is quick, then every so often how far it is. */
export function inLines(name: string, write: (line: string) => void): Shown {
  const sinceMs = performance.now();
  let progress = "";
  const timer = setInterval(() => write(`- ${titleOf(name, progress)} (${took(sinceMs)} so far)`), SILENT_MS);
  return {
    say: (text) => {
      progress = text;
    },
    end: () => clearInterval(timer),
  };
}
