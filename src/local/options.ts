import { InvalidArgumentError } from "commander";

/** Reads a command line's whole number from 1 to `most`. */
export function wholeNumber(most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : 0;
    if (value < 1 || value > most) throw new InvalidArgumentError(`It has to be a whole number from 1 to ${most}.`);
    return value;
  };
}
