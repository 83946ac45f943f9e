/** Probed for in the printed code: no source has it. */
const MARK = `probed_${crypto.randomUUID().replaceAll("-", "_")}`;
/** A declaration as the transpiler prints one that stands outside of everything: at the begin of a line. */
const DECLARATION = /^(?:export )?(?:let|var) ([^=;]+)/gm;
/** The variable that it makes of an enum or a namespace, and fills at once. */
const ENUM = /^(?:export )?var (\S+);\n\(\(\1\) => \{/gm;
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$]*/gu;

/** The first variable of a module that may be assigned to and stands in no function. Null: there is none. */
export function mutableVariableOf(source: string): string | null {
  const printed = transform(source).replace(ENUM, "");
  for (const [, pattern = ""] of printed.matchAll(DECLARATION)) {
    for (const [name] of pattern.matchAll(NAME)) if (isVariable(source, name)) return name;
  }
  return null;
}

/**
 * A line within a text may look like a declaration. So the transpiler is asked whether the module has such a name and takes
 * an assignment to it.
 */
function isVariable(source: string, name: string): boolean {
  try {
    return transform(`${source}\n;${name} = ${MARK};`, { [name]: "undeclared" }).includes(`${name} = ${MARK}`);
  } catch {
    // To a constant, or to a word of the language within a pattern.
    return false;
  }
}

function transform(source: string, define: Record<string, string> = {}): string {
  return new Bun.Transpiler({ loader: "ts", deadCodeElimination: false, define }).transformSync(source);
}
