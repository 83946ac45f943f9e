import { escaped, pageOf, tableOf } from "./html.ts";
import type { JsonSchema, OpenApiDocument, Operation } from "./openapi-document.ts";
import { TRY_IT, tryItForm } from "./try-it.ts";

/** A field of a body or an answer, with the path it stands at. */
interface Field {
  name: string;
  type: string;
  required: boolean;
  description: string;
}

/** The API of a process for a person: every operation with its parameters, body and answers, and a form that sends it, made from the document alone. */
export function apiPage({ info, tags, paths }: OpenApiDocument): Response {
  const links = tags.map(({ name }) => `<a href="#${name}">${name}</a>`).join("");
  const sections = tags.map(({ name, description }) => {
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { tags: own }]) => own.includes(name))
        .map(([method, operation]) => operationHtml(method.toUpperCase(), path, operation)),
    );
    return `<h2 id="${name}">${name}</h2><p class="dim">${escaped(description)}</p>${operations.join("")}`;
  });
  const intro =
    `<h1>${info.title} <span class="dim">${info.version}</span></h1><p>${escaped(info.description)} ` +
    `The same for programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). <a href="/">Back to the start</a>.</p>`;
  return pageOf(`${info.title}: API`, `${intro}<nav>${links}</nav>${sections.join("")}`, { script: TRY_IT });
}

function operationHtml(method: string, path: string, operation: Operation): string {
  const { summary = "", parameters = [], requestBody, responses } = operation;
  const given = parameters.map(({ name, in: where, required, schema }) => ({
    ...fieldOf(name, schema, required),
    type: `${typeOf(schema)}, in ${where}`,
  }));
  const answers = Object.entries(responses)
    .filter(([, { $ref }]) => $ref === undefined)
    .map(([status, { description, content = {} }]) => {
      const [type, schema] = contentOf(content);
      // What an answer has is there: no need to say so of each field.
      const fields = fieldsOf(schema).map((field) => ({ ...field, required: false }));
      return `<h3>${status}: ${escaped(type ?? description ?? "")}</h3>${fieldTable(fields)}`;
    });
  const refusals = Object.keys(responses).filter((status) => responses[status]?.$ref !== undefined);
  const [type, body] = contentOf(requestBody?.content ?? {});
  return (
    `<details><summary><span class="method ${method}">${method}</span><code>${escaped(path)}</code> ` +
    `<span class="dim">${escaped(summary)}</span></summary><div>` +
    (given.length > 0 ? `<h3>Parameters</h3>${fieldTable(given)}` : "") +
    (type === undefined ? "" : `<h3>Body: ${type}</h3>${fieldTable(fieldsOf(body))}`) +
    // Metrics and the like are pages of their own.
    (path.startsWith("/api/") ? tryItForm(method, path, operation) : "") +
    `${answers.join("")}<h3>${refusals.join(", ")}: problem details</h3></div></details>`
  );
}

function contentOf(content: Record<string, { schema?: JsonSchema }>): [string | undefined, JsonSchema] {
  const [entry] = Object.entries(content);
  return [entry?.[0], entry?.[1].schema ?? {}];
}

function fieldTable(fields: readonly Field[]): string {
  const rows = fields.map(({ name, type, required, description }) => [
    `<code>${escaped(name)}</code>`,
    escaped(type),
    required ? "required" : "",
    escaped(description),
  ]);
  return tableOf(["name", "what it is", "", ""], rows);
}

function fieldOf(name: string, schema: JsonSchema, required: boolean): Field {
  const otherwise = schema.default === undefined ? "" : `Default: ${JSON.stringify(schema.default)}`;
  const description = [schema.description, otherwise].filter(Boolean).join(". ");
  return { name, type: typeOf(schema), required: required && schema.default === undefined, description };
}

/** The fields of an object and of those inside it; `[]` stands for each item of a list, `*` for any name. */
function fieldsOf(schema: JsonSchema, at = ""): Field[] {
  const { properties = {}, required = [], items, anyOf = [], oneOf = [], additionalProperties } = schema;
  const own = Object.entries(properties).flatMap(([name, inner]) => [
    fieldOf(`${at}${name}`, inner, required.includes(name)),
    ...fieldsOf(inner, `${at}${name}.`),
  ]);
  const inList = items === undefined ? [] : fieldsOf(items, `${at.replace(/\.$/, "")}[].`);
  const inRecord = typeof additionalProperties === "object" ? fieldsOf(additionalProperties, `${at}*.`) : [];
  return [
    ...own,
    ...inList,
    ...inRecord,
    ...fieldsOfChoice([...anyOf, ...oneOf].map((choice) => fieldsOf(choice, at))),
  ];
}

/** A field that more than one choice has is any of them; one that a choice does not have is not required. */
function fieldsOfChoice(choices: readonly Field[][]): Field[] {
  const names = new Set(choices.flatMap((fields) => fields.map(({ name }) => name)));
  return [...names].map((name) => {
    const found = choices.flatMap((fields) => fields.filter((field) => field.name === name));
    const types = [...new Set(found.map(({ type }) => type))].join(" or ");
    const required = found.length === choices.length && found.every((field) => field.required);
    return { ...(found[0] as Field), type: types, required };
  });
}

function typeOf(schema: JsonSchema): string {
  const { $ref, type, format, items, anyOf, oneOf, additionalProperties } = schema;
  if ($ref !== undefined) return $ref.split("/").at(-1) ?? $ref;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(" or ");
  if (Array.isArray(type)) return type.join(" or ");
  if (type === "array") return `list of ${typeOf(items ?? {})}`;
  if (type === "object" && typeof additionalProperties === "object") return `object of ${typeOf(additionalProperties)}`;
  return format === undefined ? (type ?? "any JSON") : `${type ?? "any"} (${format})`;
}
