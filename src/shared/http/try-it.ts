import { escaped } from "./html.ts";
import type { JsonSchema, Operation } from "./openapi-document.ts";

/** What is used of the browser's. */
interface Field {
  name: string;
  value: string;
}
interface Form {
  hidden: boolean;
  dataset: { method: string; path: string };
  querySelector(name: "pre"): { textContent: string };
  querySelectorAll(selector: string): Iterable<Field>;
  addEventListener(name: "submit", run: (event: { preventDefault(): void }) => void): void;
}
declare const document: { querySelectorAll(selector: "form"): Iterable<Form> };

/** Runs in the browser: each form sends its request, and shows the answer below. Without a script they stay hidden. */
function sendForms(): void {
  const send = async (form: Form): Promise<string> => {
    const given = (where: string) =>
      [...form.querySelectorAll(`[data-in="${where}"]`)].filter(({ value }) => value.trim() !== "");
    let path = form.dataset.path;
    for (const { name, value } of given("path")) path = path.replace(`{${name}}`, encodeURIComponent(value.trim()));
    const query = new URLSearchParams(given("query").map(({ name, value }): [string, string] => [name, value.trim()]));
    const headers = Object.fromEntries(given("header").map(({ name, value }) => [name, value.trim()]));
    const [body] = given("body");
    const answer = await fetch(query.size === 0 ? path : `${path}?${query.toString()}`, {
      method: form.dataset.method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: body.value }),
    });
    const etag = answer.headers.get("etag");
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.includes("json") === true;
    return [
      `${answer.status} ${answer.statusText}`,
      ...(etag === null ? [] : [`ETag: ${etag}`]),
      isJson ? JSON.stringify(JSON.parse(text), null, 2) : text,
    ].join("\n");
  };
  for (const form of document.querySelectorAll("form")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const shown = form.querySelector("pre");
      shown.textContent = "It is asked ...";
      send(form).then(
        (answer) => {
          shown.textContent = answer;
        },
        (error: unknown) => {
          shown.textContent = `There was no answer: ${String(error)}`;
        },
      );
    });
  }
}

/** The script of a page with such forms. */
export const TRY_IT = `(${String(sendForms)})();`;

/** A form that sends an operation to where its page is from. Its body begins as an example. */
export function tryItForm(method: string, path: string, { parameters = [], requestBody }: Operation): string {
  const inputs = parameters.map(
    ({ name, in: where, required }) =>
      `<label><code>${escaped(name)}</code> <input name="${escaped(name)}" data-in="${where}"${required ? " required" : ""}></label>`,
  );
  const schema = Object.values(requestBody?.content ?? {})[0]?.schema;
  const example = schema === undefined ? "" : JSON.stringify(exampleOf(schema), null, 2);
  const rows = example.split("\n").length;
  const body =
    requestBody === undefined
      ? ""
      : `<label><code>body</code> <textarea name="body" data-in="body" rows="${rows}" spellcheck="false">${
          requestBody.required ? escaped(example) : ""
        }</textarea></label>`;
  return (
    `<form data-method="${method}" data-path="${escaped(path)}" hidden><h3>Try it</h3>${inputs.join("")}${body}` +
    "<button>Send</button><pre></pre></form>"
  );
}

/** A value to begin with: the schema's own example, or the fields that have to be there. */
export function exampleOf(schema: JsonSchema): unknown {
  const { examples, enum: choices, anyOf, oneOf, type, properties = {}, required = [], items } = schema;
  const given = [examples?.[0], schema.default, schema.const, choices?.[0]].find((value) => value !== undefined);
  if (given !== undefined) return given;
  const [choice] = anyOf ?? oneOf ?? [];
  if (choice !== undefined) return exampleOf(choice);
  if (type === "object")
    return Object.fromEntries(
      Object.entries(properties)
        .filter(([name, inner]) => required.includes(name) && inner.default === undefined)
        .map(([name, inner]) => [name, exampleOf(inner)]),
    );
  if (type === "array") return items === undefined ? [] : [exampleOf(items)];
  return type === "number" || type === "integer" ? 1 : type === "boolean" ? true : "...";
}
