import { escaped, pageOf, tableOf } from "./html.ts";
import { type OpenApiDocument, type Operation, PROCESS } from "./openapi-document.ts";

/** How often a page that changes loads itself anew, in seconds. */
const RELOAD_S = 5;

const LINKS = [
  ["/openapi", "the API of these services, to read and to try"],
  ["/openapi.json", "the same for programs (OpenAPI 3.1)"],
  ["/readyz", "whether every service here takes work, and what it waits for"],
  ["/livez", "whether the process answers"],
  ["/metrics", "metrics in Prometheus' text format"],
] as const;

/**
 * What stands at the address itself: the services of the process, and the lists of each that can be looked at with a click.
 * `sections` is HTML that changes, and stands first; with it the page loads itself anew.
 */
export function indexPage({ info, tags, paths }: OpenApiDocument, sections = ""): Response {
  const links = LINKS.map(([path, what]) => [`<a href="${path}">${path}</a>`, what]);
  const services = tags
    .filter(({ name }) => name !== PROCESS)
    .map(({ name, description }) => {
      const lists = Object.entries(paths)
        .filter(([path, { get }]) => get?.tags.includes(name) === true && isAskedForAlone(path, get))
        .map(([path]) => `<a href="${path}">${path.slice(`/api/${name}`.length)}</a>`);
      const api = `<a href="/openapi#${name}">API</a>`;
      return [name, escaped(description), [api, ...lists].join(" ")];
    });
  return pageOf(
    info.title,
    `<h1>${info.title} <span class="dim">${info.version}</span></h1>${sections}` +
      `<h2>Links</h2>${tableOf([], links)}<h2>Services of this process</h2>${tableOf([], services)}`,
    sections === "" ? {} : { reloadS: RELOAD_S },
  );
}

function isAskedForAlone(path: string, { parameters = [] }: Operation): boolean {
  return !path.includes("{") && parameters.every(({ required }) => !required);
}
