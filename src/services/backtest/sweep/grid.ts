import { type Decimal, decimal, ONE } from "#shared/domain/decimal.ts";
import type { Axis } from "./contract.ts";

/** Parameters by name, each with its values. */
export type Grid = Readonly<Record<string, Axis>>;
export type Params = Record<string, unknown>;

/** What is wrong with a grid beside the `params` that stay the same: each with where it stands. */
export function faultsOfGrid(grid: Grid, params: Params): { path: string[]; message: string }[] {
  return Object.entries(grid).flatMap(([name, axis]) => {
    const messages = [...faultsOfAxis(axis)];
    if (name in params) messages.push("stands in params too: it is the same in all runs, or it is not");
    return messages.map((message) => ({ path: ["grid", name], message }));
  });
}

function faultsOfAxis(axis: Axis): string[] {
  if (Array.isArray(axis)) {
    if (axis.length === 0) return ["must have at least one value"];
    const isTwice = new Set(axis.map((value) => JSON.stringify(value))).size < axis.length;
    return isTwice ? ["must not have a value twice: each would be a run of its own"] : [];
  }
  const { from, to, step } = axis;
  if (step <= 0) return ["must have a step above zero"];
  if (from > to) return ["must not begin above its end"];
  return [from, to, step].every(isReadable) ? [] : ["must have numbers of at most 50 digits"];
}

function isReadable(value: number): boolean {
  try {
    decimal(String(value));
    return true;
  } catch {
    return false;
  }
}

/** How many combinations a grid has. Nothing is made of them: it may be any number. */
export function sizeOfGrid(grid: Grid): number {
  return Object.values(grid)
    .reduce((size, axis) => size.times(lengthOf(axis)), ONE)
    .toNumber();
}

/** How many characters the parameters of one combination have as JSON, at most; defaults of the strategy are not counted. */
export function longestOf(grid: Grid, params: Params): number {
  const sizes = Object.entries(grid).map(([name, axis]) => {
    const values = Array.isArray(axis) ? axis.map((value) => JSON.stringify(value).length) : [MOST_DIGITS];
    return JSON.stringify(name).length + Math.max(...values);
  });
  return sizes.reduce((sum, size) => sum + size, JSON.stringify(params).length);
}

/** Of a number in a range. */
const MOST_DIGITS = 50;

function lengthOf(axis: Axis): Decimal | number {
  if (Array.isArray(axis)) return axis.length;
  const [from, to, step] = decimalsOf(axis);
  return to.minus(from).divToInt(step).plus(1);
}

/**
 * Every combination, the last name changing fastest, each with what stays the same. A range is counted in decimals:
 * 0.1, 0.2, 0.3 and never 0.30000000000000004.
 */
export function combinationsOf(grid: Grid, params: Params): Params[] {
  return Object.entries(grid).reduce<Params[]>(
    (combinations, [name, axis]) => {
      const values = valuesOf(axis);
      return combinations.flatMap((combination) => values.map((value) => ({ ...combination, [name]: value })));
    },
    [params],
  );
}

function valuesOf(axis: Axis): readonly unknown[] {
  if (Array.isArray(axis)) return axis;
  const [from, , step] = decimalsOf(axis);
  return Array.from({ length: Number(lengthOf(axis)) }, (_, index) => from.plus(step.times(index)).toNumber());
}

function decimalsOf({ from, to, step }: Exclude<Axis, unknown[]>): [from: Decimal, to: Decimal, step: Decimal] {
  return [decimal(String(from)), decimal(String(to)), decimal(String(step))];
}
