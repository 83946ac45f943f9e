import type postgres from "postgres";

/** Types of which arrays are sent or read, with the oid of the array, as Postgres has them fixed (pg_type.dat). */
const ARRAYS = {
  int4: 1007,
  text: 1009,
  int8: 1016,
  float8: 1022,
  numeric: 1231,
  uuid: 2951,
};

const ELEMENT = /"((?:[^"\\]|\\.)*)"|([^,{}]+)/gs;

function elements(text: string): (string | null)[] {
  return [...text.matchAll(ELEMENT)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare === "NULL" ? null : (bare ?? null)) : quoted.replaceAll(/\\(.)/gs, "$1"),
  );
}

function literal(list: readonly (string | number | bigint | boolean | null)[]): string {
  const element = (value: (typeof list)[number]): string =>
    value === null ? "NULL" : `"${String(value).replaceAll(/["\\]/g, "\\$&")}"`;
  return `{${list.map(element).join(",")}}`;
}

/**
 * Arrays of one dimension, for the driver. Without them it would ask the server on each new connection: a round trip more,
 * and a failure that nobody can catch. A server that ends in that moment would end the process. `parsers`: how an element is
 * read, by the name of its type; text where there is none.
 */
export function arrayTypes(
  parsers: Readonly<Record<string, (text: string) => unknown>>,
): Record<string, postgres.PostgresType> {
  return Object.fromEntries(
    Object.entries(ARRAYS).map(([name, oid]) => {
      const read = parsers[name] ?? ((text: string) => text);
      const parse = (text: string) => elements(text).map((element) => (element === null ? null : read(element)));
      return [`${name}Array`, { to: oid, from: [oid], parse, serialize: literal }];
    }),
  );
}
