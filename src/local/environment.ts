const SETTING = /^(DATABASE_URL|REDIS_URL|R3_.*)$/;

/** This process' environment without any setting of the engine, so that nothing of a person's is touched, and with these. */
export function environment(settings: Record<string, string> = {}): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !SETTING.test(entry[0]),
  );
  return { ...Object.fromEntries(inherited), ...settings };
}
