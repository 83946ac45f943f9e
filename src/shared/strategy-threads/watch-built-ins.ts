/** What all strategies of a thread share, and where one of them may put a thing of its own. */
const OPEN = ["Object", "Function", "Array", "String", "Number", "RegExp", "Promise", "Map", "Set", "Math", "JSON"];
/** Where a strategy may at most replace something: to count what stands there would cost more than it tells. */
const OTHERS = [
  "Boolean",
  "Symbol",
  "BigInt",
  "WeakMap",
  "WeakSet",
  "Reflect",
  "Iterator",
  "Intl",
  "ArrayBuffer",
  "DataView",
  "Error",
  "TypeError",
  "RangeError",
  "Float64Array",
  "Float32Array",
  "Int32Array",
  "Uint32Array",
  "Uint8Array",
];
/** Those that no global names, by one that inherits from them. */
const UNNAMED: readonly [string, object][] = [
  ["Date.prototype", new Date(0)],
  ["what iterators of lists inherit", [].values()],
  ["what iterators of maps inherit", new Map().values()],
  ["what iterators of sets inherit", new Set().values()],
  ["what iterators of texts inherit", ""[Symbol.iterator]()],
  ["what typed arrays inherit", Uint8Array.prototype],
];

/** Taken before a strategy can replace them. */
const { ownKeys, getOwnPropertyDescriptor } = Reflect;
const { is, keys: enumerableKeys } = Object;

/** An object as it was, with what stands in it as a plain value. `count`: of its enumerable keys; null where additions are not looked for. */
interface Kept {
  owner: Record<PropertyKey, unknown>;
  name: string;
  count: number | null;
  keys: readonly PropertyKey[];
  values: readonly unknown[];
}

/**
 * Notes globals and built-ins as they are now. The function that it gives names the first of them that has changed since.
 * Null: none has.
 *
 * They are watched and not frozen: on a frozen RegExp.prototype exact decimals take twice as long, on a frozen
 * Array.prototype half as long again. Getters and properties that are not enumerable are not looked at: to change those
 * takes more than a mistake, and to look at them after each request takes three times as long.
 */
export function watchBuiltIns(): () => string | null {
  const kept = [
    keep("globalThis", globalThis, false),
    ...OPEN.flatMap((name) => keepNamed(name, true)),
    ...OTHERS.flatMap((name) => keepNamed(name, false)),
    ...UNNAMED.map(([name, heir]) => keep(name, Object.getPrototypeOf(heir) as object, true)),
  ];
  return () => {
    // By index: an iterator is among what may have been replaced.
    for (let at = 0; at < kept.length; at += 1) {
      const changed = changeOf(kept[at] as Kept);
      if (changed !== null) return changed;
    }
    return null;
  };
}

function keepNamed(name: string, counted: boolean): Kept[] {
  const built = Reflect.get(globalThis, name) as { prototype?: object };
  const { prototype } = built;
  const own = keep(name, built, counted);
  return prototype === undefined ? [own] : [own, keep(`${name}.prototype`, prototype, counted)];
}

function keep(name: string, of: object, counted: boolean): Kept {
  const owner = of as Kept["owner"];
  const all = ownKeys(owner);
  const keys = all.filter((key) => "value" in (getOwnPropertyDescriptor(owner, key) ?? {}));
  return {
    owner,
    name,
    count: counted ? enumerableKeys(owner).length : null,
    keys,
    values: keys.map((key) => owner[key]),
  };
}

function changeOf({ owner, name, count, keys, values }: Kept): string | null {
  for (let at = 0; at < keys.length; at += 1) {
    const key = keys[at] as PropertyKey;
    const now = owner[key];
    if (now !== values[at] && !is(now, values[at])) return `${name}.${String(key)}`;
  }
  return count === null || enumerableKeys(owner).length === count ? null : name;
}
