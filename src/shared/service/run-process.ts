import { AppError } from "#shared/errors/app-error.ts";
import { systemRefusal } from "#shared/errors/system-error.ts";
import type { Runner } from "./runner.ts";

/**
 * Runs a process to its end: starts it, waits for SIGTERM or SIGINT, stops it, exits 0. A second signal exits at once
 * (130). A start that fails says one sentence on standard error and exits 1; so does a stop that left something behind.
 */
export async function runProcess(make: () => Promise<Runner> | Runner): Promise<never> {
  const asked = signalled();
  try {
    // A signal ends the process also where a server that never answers keeps it from starting.
    const runner = await Promise.race([make(), asked]);
    if (runner === undefined) return process.exit(0);
    await Promise.race([runner.start(), asked]);
    await asked;
    const left = await runner.stop();
    return process.exit(left.length === 0 ? 0 : 1);
  } catch (error) {
    return fail(error);
  }
}

/** Says what went wrong, in one sentence where it is a failure that a person can act on, and exits 1. */
export function fail(error: unknown): never {
  process.stderr.write(`${sentenceOf(error)}\n`);
  return process.exit(1);
}

function sentenceOf(error: unknown): string {
  if (error instanceof AppError) return error.message;
  return systemRefusal(error) ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = () => {
      count += 1;
      if (count > 1) process.exit(130);
      resolve();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
