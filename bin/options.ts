import { InvalidArgumentError } from "commander";

/** Reads a command line's whole number above zero. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError("has to be a whole number above zero.");
  return Number(text);
}
