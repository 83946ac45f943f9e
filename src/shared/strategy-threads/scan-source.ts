import { mutableVariableOf } from "./mutable-state.ts";

/** What a strategy may import beside its own files: the engine's side of the strategy interface, and zod for its parameters. */
const OPEN = [/^#shared\/(strategy|indicators)\//, /^zod$/];
/** Put in place of what cannot be taken away where a strategy runs; no source has it. */
const MARK = `refused_${crypto.randomUUID().replaceAll("-", "_")}_`;
/**
 * What is looked for, by how it is named in code: not the same word in a text or a comment, or a name of the strategy's own.
 */
const CLOSED = { Bun: "Bun", "globalThis.Bun": "Bun", "import.meta": "import.meta" };

const replacing = new Bun.Transpiler({
  loader: "ts",
  deadCodeElimination: false,
  define: Object.fromEntries(Object.entries(CLOSED).map(([code, name]) => [code, markOf(name)])),
});

function markOf(name: string): string {
  return `${MARK}${name.replace(".", "_")}`;
}

/** What a source file of a strategy says before it is loaded. */
export interface ScannedSource {
  /** Sentences about what is refused. Empty: it may be loaded. */
  faults: string[];
  /** Its imports of files beside it, as they stand there. */
  own: string[];
}

/**
 * Looks through the source of a strategy for what cannot be refused while it runs: other imports than the strategy
 * interface, indicators, zod and files beside it, `import()`, `require`, `Bun`, variables that its sessions would share. It
 * guards against mistakes, not malice: a constant list, map or object outside of `create` may still be written to.
 * Throws what the parser says of a source that is none.
 */
export function scanSource(source: string): ScannedSource {
  const { imports } = new Bun.Transpiler({ loader: "ts" }).scan(source);
  const faults: string[] = [];
  const own: string[] = [];
  for (const { path, kind } of imports) {
    if (kind !== "import-statement") faults.push(`${nameOf(kind)} is refused in a strategy; use an import statement.`);
    else if (path.startsWith("./")) own.push(path);
    else if (!OPEN.some((pattern) => pattern.test(path))) {
      faults.push(
        `The import of "${path}" is refused in a strategy; it may import #shared/strategy, #shared/indicators, zod and files beside it.`,
      );
    }
  }
  const marked = replacing.transformSync(source);
  for (const name of new Set(Object.values(CLOSED))) {
    if (marked.includes(markOf(name)))
      faults.push(`${name} is refused in a strategy; it sees the bar and its context alone.`);
  }
  const variable = mutableVariableOf(source);
  if (variable !== null) {
    faults.push(
      `"${variable}" is a variable outside of create(), which all sessions of a thread would share: keep what changes within create(), so that each session has its own, and declare the rest with const.`,
    );
  }
  return { faults, own };
}

function nameOf(kind: string): string {
  return kind === "dynamic-import" ? "import()" : "require";
}
