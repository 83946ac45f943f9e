/** What a strategy may import beside its own files: the engine's side of the strategy interface, and zod for its parameters. */
const OPEN = [/^#shared\/(strategy|indicators)\//, /^zod$/];
/** Globals that cannot be replaced where a strategy runs. */
const CLOSED = [
  { pattern: /\bBun\b/, name: "Bun" },
  { pattern: /\bimport\s*\.\s*meta\b/, name: "import.meta" },
];
/** Comments and texts, within which a word means nothing. */
const SILENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

/** What a source file of a strategy says before it is loaded. */
export interface ScannedSource {
  /** Sentences about what is refused. Empty: it may be loaded. */
  faults: string[];
  /** Its imports of files beside it, as they stand there. */
  own: string[];
}

/**
 * Looks through the source of a strategy for what cannot be refused while it runs: other imports than the strategy
 * interface, indicators, zod and files beside it, `import()`, `require`, `Bun`. It guards against mistakes, not malice.
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
  const spoken = source.replaceAll(SILENT, "");
  for (const { pattern, name } of CLOSED) {
    if (pattern.test(spoken)) faults.push(`${name} is refused in a strategy; it sees the bar and its context alone.`);
  }
  return { faults, own };
}

function nameOf(kind: string): string {
  return kind === "dynamic-import" ? "import()" : "require";
}
