/**
 * Asks for many keys at once: all that is asked in one tick of the event loop is one call of `ask`. It resolves with the
 * keys that hold.
 */
export function createBatcher(ask: (keys: readonly string[]) => Promise<ReadonlySet<string>>) {
  let waiting: string[] = [];
  let answer: Promise<ReadonlySet<string>> | undefined;

  async function flush(): Promise<ReadonlySet<string>> {
    await Promise.resolve();
    const keys = waiting;
    waiting = [];
    answer = undefined;
    return ask(keys);
  }

  return async (key: string): Promise<boolean> => {
    waiting.push(key);
    answer ??= flush();
    return (await answer).has(key);
  };
}
