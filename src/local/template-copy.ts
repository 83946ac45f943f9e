import type { ServiceName } from "./service-name.ts";

/** How several instances of a service can share its work: what `bin/new-service --scaling` takes, and what it is called. */
export const SCALING_KINDS = {
  "load-balancing": "load balancing",
  "task-queue": "task queue",
  partitioning: "partitioning",
  leader: "leader election",
} as const;
export type ScalingKind = keyof typeof SCALING_KINDS;

/** Texts by the file's path within its folder. */
export type Files = ReadonlyMap<string, string>;

/** What a copy is to become. */
export interface Copy {
  name: ServiceName;
  kind: ScalingKind;
}

/** The template in each form of its name. */
const TEMPLATE =
  /(?<upper>TEMPLATE)|(?<pascal>Template)|(?<snake>(?<=create schema )template\b|\btemplate(?=\.notes\b))|(?<camel>\btemplate(?=[A-Z])|(?<=export const )template\b)|template/g;

const ONE_OF_THE_KINDS = /^scaling\/(.*)\.ts$/;

/** The files of a new service: the template's under its name, with one of the kinds as `work.ts` beside `service.ts`. */
export function copyOfTemplate(template: Files, copy: Copy): Files {
  const files = new Map<string, string>();
  for (const [path, text] of template) {
    const [, kind] = ONE_OF_THE_KINDS.exec(path) ?? [];
    if (kind !== undefined && kind !== copy.kind) continue;
    const ownPath = kind === undefined ? renamed(path, copy.name) : "work.ts";
    files.set(ownPath, renamed(path === "README.md" ? readmeOf(text, copy) : sourceOf(text, copy), copy.name));
  }
  return files;
}

/** A text with the name of the copy in place of the template's, each time in the same form. */
function renamed(text: string, name: ServiceName): string {
  return text.replaceAll(TEMPLATE, (...match) => {
    const forms = match.at(-1) as Record<string, string | undefined>;
    const form = (["upper", "pascal", "snake", "camel"] as const).find((each) => forms[each] !== undefined);
    return name[form ?? "kebab"];
  });
}

/** A file that knows of its own kind alone. */
function sourceOf(text: string, { kind }: Copy): string {
  const imports = text.matchAll(/^import \{ scaling as (\w+) \} from "\.\/scaling\/(.*)\.ts";$/gm);
  const others = [...imports].filter(([, , other]) => other !== kind).map(([, alias]) => alias ?? "");
  const isOfAnother = (line: string): boolean => others.some((alias) => new RegExp(`\\b${alias}\\b`).test(line));
  return text
    .split("\n")
    .filter((line) => !isOfAnother(line))
    .join("\n")
    .replaceAll(/"\.\/scaling\/[a-z-]+\.ts"/g, '"./work.ts"')
    .replaceAll('"#services/template/', '"./');
}

/** The README of a service that has one kind, and that is not the template any more. */
function readmeOf(text: string, { kind }: Copy): string {
  const [title = "", , table = "", failure = ""] = text.split("\n\n");
  const about = "Notes the newest position of each session: replace it by your own.";
  const [, instances = ""] = new RegExp(`^\\| \`${kind}\` \\| (.*) \\| .* \\|$`, "m").exec(text) ?? [];
  const own = table
    .replace(
      /^\| how it scales \|.*$/m,
      `| how it scales | ${SCALING_KINDS[kind]} (\`work.ts\`): several instances ${instances} |`,
    )
    .replace(
      /^(\| takes in \|.*) \|$/m,
      kind === "task-queue" ? "$1; task `template-note` of its own (lane: the session) |" : "$&",
    );
  return `${[title, about, own, failure].join("\n\n")}\n`;
}

/** The list of services (src/local/services.ts) with a line for one more at its end. */
export function withService(list: string, { kebab, camel }: ServiceName): string {
  const line = `  (await import("#services/${kebab}/index.ts")).${camel},\n`;
  return list.replace(/^\];$/m, `${line}];`);
}

/** The names that these files import. */
export function importedNames(files: Files): string[] {
  const lists = [...files.values()].flatMap((text) => [...text.matchAll(/^import (?:type )?\{([^}]*)\}/gm)]);
  const names = lists.flatMap(([, list = ""]) => list.split(",").map((each) => each.trim().split(" ").at(-1) ?? ""));
  return names.filter(Boolean);
}
