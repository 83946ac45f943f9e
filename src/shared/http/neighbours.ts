import { networkInterfaces } from "node:os";
import { type Problem, problem } from "./problem.ts";

/** A host with or without a port, as a Host header has it. */
const HOST = /^(\[[\da-f:.]+\]|[a-z\d._-]+)(:\d{1,5})?$/;
const FOREIGN_PAGE =
  "A page of another origin may not use this process: R3_HTTP_ALLOWED_HOSTS has to name its host, with the port.";
/** To allow a host would not help: the browser does not say which page it was. */
const CROSS_SITE =
  "A page of another site made a browser ask for this. Only a link that a person follows is answered so: a GET with Sec-Fetch-Mode: navigate and Sec-Fetch-Dest: document.";
const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"];
const EVERYWHERE = new Set(["0.0.0.0", "::", "[::]"]);

/** Where a process listens and which names its settings give it. */
export interface OwnNames {
  /** The address it listens on. */
  address: string;
  /** URLs under which the settings name processes of ours. */
  urls: readonly string[];
  /** Further hosts, with a port or without one. */
  more: readonly string[];
}

/** Hosts in small letters, each with a port or without. */
export interface KnownHosts {
  /** A request may be addressed to these. */
  own: ReadonlySet<string>;
  /** Pages of these may use the process, as pages of the very host and port that a request is addressed to may. */
  pages: ReadonlySet<string>;
}

/** The hosts of a process: those it listens on, those of the URLs, and `more`, whose pages are trusted too. */
export function knownHosts({ address, urls, more }: OwnNames): KnownHosts {
  const listening = EVERYWHERE.has(address) ? [...addressesOfMachine(), ...LOOPBACK] : [inBrackets(address)];
  const names = listening.some((one) => LOOPBACK.includes(one)) ? [...listening, ...LOOPBACK] : listening;
  const all = [...names, ...urls.map((url) => new URL(url).hostname), ...more];
  const inSmallLetters = (hosts: readonly string[]) => new Set(hosts.map((one) => one.toLowerCase()));
  return { own: inSmallLetters(all), pages: inSmallLetters(more) };
}

function addressesOfMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => inBrackets(one.address)));
}

function inBrackets(address: string): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
}

/**
 * Refuses what a foreign web page makes a browser send, WebSockets as well. Null: it may pass. Pages cannot write Host,
 * Origin and Sec-Fetch-Site: the first shows a page whose own name points to this machine, the others show any other page.
 * What is no browser sends no Origin and passes.
 */
export function refuseForeign({ method, headers }: Request, { own, pages }: KnownHosts): Problem | null {
  const host = headers.get("host")?.toLowerCase() ?? null;
  const name = host === null ? null : HOST.exec(host)?.[1];
  if (name === undefined) return problem(400, "MALFORMED", "The Host header has to be a name or an address.");
  if (host !== null && name !== null && !own.has(name) && !own.has(host)) {
    const detail = "This is no host of this process: R3_HTTP_ALLOWED_HOSTS has to name it, if it is meant to be one.";
    return problem(403, "FOREIGN_HOST", detail);
  }
  const origin = headers.get("origin");
  const isOwn = origin === null || isOwnOrigin(origin, host, pages);
  if (isOwn && !isCrossSite(method, headers)) return null;
  return problem(403, "FOREIGN_ORIGIN", isOwn ? CROSS_SITE : FOREIGN_PAGE);
}

/** The page was loaded from here, or from a host that the settings name just so: another port is another page. */
function isOwnOrigin(origin: string, host: string | null, pages: ReadonlySet<string>): boolean {
  if (!URL.canParse(origin)) return false;
  const from = new URL(origin).host;
  return from !== "" && (from === host || pages.has(from));
}

/** A link that a person follows shows its answer to that person alone. */
function isCrossSite(method: string, headers: Headers): boolean {
  if (headers.get("sec-fetch-site") !== "cross-site" || headers.has("origin")) return false;
  const isLink = headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document";
  return !(isLink && method === "GET");
}
