import { AppError } from "#shared/errors/app-error.ts";
import { systemRefusal } from "#shared/errors/system-error.ts";
import { type Ending, endLine, inLines, type Shown, withSpinner } from "./show-step.ts";

let quiet = false;

/** From now on only trouble and results are said. */
export function beQuiet(): void {
  quiet = true;
}

/** Writes a line for a person; standard output is kept for results. */
export function say(line: string): void {
  if (!quiet) process.stderr.write(`${line}\n`);
}

/** A step that a person waits for. `say` shows how far it is. */
export interface Step {
  say(progress: string): void;
}

let interrupted = false;
let endCurrent: ((ending: Ending) => void) | null = null;

/** Somebody wants it to end: the step that runs is neither done nor failed, and no other one is begun or ended any more. */
export function beInterrupted(): void {
  // What falls over now (a connection to a server that is being ended) falls over for that reason.
  if (!interrupted) for (const fall of ["uncaughtException", "unhandledRejection"]) process.on(fall, () => {});
  interrupted = true;
  if (endCurrent !== null) endCurrent("interrupted");
  // After the ^C that the terminal shows.
  else if (process.stderr.isTTY) say("");
}

export function wasInterrupted(): boolean {
  return interrupted;
}

/**
 * Runs a step, showing its name, its progress and how long it took; off a terminal as plain lines. Throws what the step
 * throws. Never resolves once the program was interrupted: whoever interrupts it ends it.
 */
export async function step<Result>(name: string, run: (step: Step) => Promise<Result>): Promise<Result> {
  if (!interrupted) {
    try {
      const result = await closingStep(name, run);
      if (!interrupted) return result;
    } catch (error) {
      if (!interrupted) throw error;
    }
  }
  return new Promise(() => {});
}

/** Ends the process with what the end of everything comes to after an interruption; 1 where that fails, which is said. */
export async function exitAfter(ended: Promise<number>): Promise<never> {
  try {
    process.exit(await ended);
  } catch (error) {
    report(error);
    process.exit(1);
  }
}

/** A step like any other one, also after an interruption. */
export async function closingStep<Result>(name: string, run: (step: Step) => Promise<Result>): Promise<Result> {
  const sinceMs = performance.now();
  const shown: Shown | null = quiet ? null : (withSpinner(name) ?? inLines(name, say));
  let progress = "";
  let ended = false;
  const end = (ending: Ending): void => {
    if (ended) return;
    ended = true;
    endCurrent = null;
    shown?.end();
    say(endLine({ name, progress, ending, sinceMs }));
  };
  endCurrent = end;
  try {
    const result = await run({
      say: (text) => {
        progress = text;
        shown?.say(text);
      },
    });
    end("done");
    return result;
  } catch (error) {
    end("failed");
    throw error;
  }
}

/** What a person has to know in one sentence, without a stack. */
export class Trouble extends Error {}

/** Ends with the sentence of a trouble, or with the whole error where it is a surprise. */
export function report(error: unknown): void {
  const isSentence = error instanceof Trouble || error instanceof AppError;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${isSentence ? error.message : (systemRefusal(error) ?? text)}\n`);
}
