import ora from "ora";
import { AppError } from "#shared/errors/app-error.ts";
import { systemRefusal } from "#shared/errors/system-error.ts";

let quiet = false;

/** From now on only trouble and results are said. */
export function beQuiet(): void {
  quiet = true;
}

/** Writes a line for a person; standard output is kept for results. */
export function say(line: string): void {
  if (!quiet) process.stderr.write(`${line}\n`);
}

/** Seconds since `sinceMs` (of performance.now()), as people read them. */
export function took(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`;
}

/** A step that a person waits for. `say` shows how far it is. */
export interface Step {
  say(progress: string): void;
}

/** Runs a step, showing its name, its progress and how long it took; off a terminal as plain lines. Throws what the step throws. */
export async function step<Result>(name: string, run: (step: Step) => Promise<Result>): Promise<Result> {
  const sinceMs = performance.now();
  const spinner = ora({ text: name, stream: process.stderr, discardStdin: false, isSilent: quiet }).start();
  const line: Step = {
    say: (progress) => {
      if (process.stderr.isTTY) spinner.text = `${name}: ${progress}`;
      else say(`  ${progress}`);
    },
  };
  try {
    const result = await run(line);
    spinner.succeed(`${name} (${took(sinceMs)})`);
    return result;
  } catch (error) {
    spinner.fail(`${name} (${took(sinceMs)})`);
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
