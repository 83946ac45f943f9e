import { parseEnv } from "node:util";

/** What a file of settings holds. */
export interface SettingsFile {
  /** Empty where nothing stands after the sign. */
  variables: Record<string, string>;
  /** One for each line that could not be taken: its number and what is wrong, never its text, which may hold a secret. */
  faults: string[];
}

/** A name, which may be exported, the sign, and the value. */
const ENTRY = /^\s*(?:export\s+)?([\w.-]+)[^\S\r\n]*=[^\S\r\n]*(.*?)\s*$/s;
const QUOTED = /^(?:'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|`(?:\\`|[^`])*`)\s*(?:#.*)?$/s;

/** Reads KEY=value lines as parseEnv of Node does, which passes over what it does not understand; here that is a fault. */
export function readSettingsFile(text: string): SettingsFile {
  const plain = text.replace(/^\uFEFF/, "");
  const values = parseEnv(plain);
  const variables: Record<string, string> = {};
  const faults: string[] = [];
  for (const { entry, line } of entriesOf(plain)) {
    if (/^\s*(?:#.*)?\s*$/.test(entry)) continue;
    const [, name, body = ""] = ENTRY.exec(entry) ?? [];
    const value = name === undefined ? undefined : parseEnv(entry)[name];
    if (name === undefined || value === undefined) faults.push(`line ${line} is no KEY=value`);
    else if (!/^[A-Z][A-Z0-9_]*$/.test(name)) faults.push(`line ${line} names no setting`);
    else if (isCut(body, value)) faults.push(`line ${line} goes on after its closing quote`);
    else variables[name] = values[name] ?? value;
  }
  return { variables, faults };
}

/** Whether the quote closes before the text ends, and what stands behind it would be dropped. */
function isCut(body: string, value: string): boolean {
  const isQuoted = /^['"`]/.test(body) && !value.startsWith(body.slice(0, 1));
  return isQuoted && !QUOTED.test(body);
}

/**
 * The entries of a file: a line each, or the lines that a quoted value spans; blank lines and comments too. Where one ends
 * is what parseEnv says: a mark before each line comes out as a variable unless the line belongs to the one before.
 */
function entriesOf(text: string): { entry: string; line: number }[] {
  const mark = `MARK_${crypto.randomUUID().replaceAll("-", "_")}_`;
  const lines = text.split(/(?<=\r\n|\n|\r(?!\n))/);
  const seen = parseEnv(lines.map((line, index) => `${mark}${index}=\n${line}`).join(""));
  const entries: { entry: string; line: number }[] = [];
  for (const [index, line] of lines.entries()) {
    const last = entries.at(-1);
    if (last === undefined || `${mark}${index}` in seen) entries.push({ entry: line, line: index + 1 });
    else last.entry += line;
  }
  return entries;
}
