/** Nothing that has come true yet. */
type Falsy = false | 0 | "" | null | undefined;

/**
 * Waits for what comes true by itself, and gives the first true answer. Fails after `withinMs`, by default far above what a
 * busy machine needs, with the text of the condition.
 */
export async function until<T>(what: () => T | Promise<T>, withinMs = 15_000): Promise<Exclude<T, Falsy>> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = await what();
    if (found) return found as Exclude<T, Falsy>;
    if (performance.now() > endMs) throw new Error(`Not so within ${withinMs} ms: ${what.toString()}`);
    await Bun.sleep(5);
  }
}
