import { SQL_WORDS, TYPESCRIPT_WORDS } from "./reserved-words.ts";

/** A service's name in each of its forms: `demo-service` of files, topics and routes, `demo_service` of its schema, and so on. */
export interface ServiceName {
  kebab: string;
  snake: string;
  camel: string;
  pascal: string;
  upper: string;
}

/** The forms of a name in kebab-case. */
export function formsOf(kebab: string): ServiceName {
  const pascal = kebab.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
  const snake = kebab.replaceAll("-", "_");
  return { kebab, snake, camel: pascal.charAt(0).toLowerCase() + pascal.slice(1), pascal, upper: snake.toUpperCase() };
}

/** What names are taken for already. */
export interface TakenNames {
  services: readonly string[];
  /** Folders in src/services. */
  folders: readonly string[];
  /** What `bin/bun run` runs, scripts and tools, and what is called by `bin/`. */
  commands: readonly string[];
  /** Schemas of tables that no service owns. */
  schemas: readonly string[];
  /** What the files of the template import: a service's own constant and functions stand beside it. */
  imported: readonly string[];
}

const KEBAB = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const LONGEST = 30;
/** What bin/up starts beside the services, under names of their own. */
const PROGRAMS = ["conductor", "engine", "initdb", "postgres", "redis"];
/** Scripts that package managers run by themselves. */
const BY_ITSELF = /^(?:(?:pre|post)?(?:install|prepare|pack|publish|version)|prepublish|dependencies)$/;

/** Why a service cannot have this name, and what to do: a sentence. Null: it can. */
export function nameRefusal(name: string, taken: TakenNames): string | null {
  if (!KEBAB.test(name)) return notKebab(name, taken);
  if (name.length > LONGEST)
    return `"${name}" has ${name.length} characters; the name of a service has at most ${LONGEST}: choose a shorter one.`;
  if (taken.services.includes(name)) return `There is a service "${name}" already: choose another name.`;
  if (taken.folders.includes(name))
    return `There is a folder src/services/${name} already: remove it first, or choose another name.`;
  if (taken.commands.includes(name)) return `"${name}" is a command of this repository already: choose another name.`;
  if (PROGRAMS.includes(name)) return `"${name}" is a program that bin/up starts already: choose another name.`;
  const words = keptWords(name, taken);
  if (words === null) return null;
  const longer = `${name}-notes`;
  const next = nameRefusal(longer, taken) === null ? `a longer name, such as ${longer}` : "another name";
  return `"${name}" ${words}: choose ${next}.`;
}

/** What is wrong with a name that is a word of someone else. */
function keptWords(name: string, { commands, schemas, imported }: TakenNames): string | null {
  const { snake, camel, pascal } = formsOf(name);
  const hook = commands.some((command) => name === `pre${command}` || name === `post${command}`);
  if (hook || BY_ITSELF.test(name)) return "is the name of a script that package managers run by themselves";
  if (schemas.includes(snake)) return "is the schema of tables that no service owns";
  if (snake.startsWith("pg_")) return "begins with pg, as only schemas of Postgres do";
  if (SQL_WORDS.has(snake)) return "is a word that SQL keeps for itself";
  if (TYPESCRIPT_WORDS.has(camel)) return "is a word that TypeScript keeps for itself";
  const twice = [camel, `create${pascal}`].find((word) => imported.includes(word));
  return twice === undefined ? null : `would give the code of the service a second ${twice}`;
}

function notKebab(name: string, taken: TakenNames): string {
  const kebab = kebabOf(name);
  const rule = `"${name}" is not in kebab-case (small letters and digits, a letter first, single hyphens between words)`;
  const isFree = KEBAB.test(kebab) && nameRefusal(kebab, taken) === null;
  return isFree ? `${rule}: choose ${kebab}.` : `${rule}: choose a name such as order-notes.`;
}

/** The words of a name, joined by hyphens. */
function kebabOf(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replaceAll(/([A-Z])([A-Z][a-z])/g, "$1-$2")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}
