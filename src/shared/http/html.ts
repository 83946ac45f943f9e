/** Text as HTML shows it. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/**
 * A table of cells that are HTML, under heads that are text. Without rows there is none. On a phone each row is a block under its
 * first cell, and each other cell says its head.
 */
export function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const head = heads.map((text) => `<th>${escaped(text)}</th>`).join("");
  const body = rows.map((cells) => `<tr>${cells.map((cell, at) => cellOf(cell, heads[at] ?? "")).join("")}</tr>`);
  return `<div class="wide"><table>${head && `<thead><tr>${head}</tr></thead>`}<tbody>${body.join("")}</tbody></table></div>`;
}

function cellOf(cell: string, head: string): string {
  return head === "" ? `<td>${cell}</td>` : `<td data-head="${escaped(head)}">${cell}</td>`;
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce2, #3a3f47); --soft: light-dark(#f5f6f8, #22262c); --dim: light-dark(#5c6470, #9aa3af); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 0.2rem; }
p { margin: 0.3rem 0; }
.dim { color: var(--dim); }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; margin: 1rem 0; }
code, .method { font-family: ui-monospace, monospace; font-size: 0.92em; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.4rem 0; }
summary { cursor: pointer; padding: 0.35rem 0.7rem; }
details[open] > summary { background: var(--soft); border-bottom: 1px solid var(--line); border-radius: 6px 6px 0 0; }
details > div { padding: 0.3rem 0.7rem 0.7rem; }
.method { display: inline-block; min-width: 4.2em; font-weight: 600; }
.GET { color: light-dark(#1a6f3c, #6fce94); } .POST { color: light-dark(#1d5fa8, #7db8f5); }
.PATCH { color: light-dark(#8a5a00, #e2b45c); } .DELETE { color: light-dark(#a82a2a, #f08a8a); }
h3 { font-size: 0.95rem; margin: 0.8rem 0 0.2rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.93em; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--dim); }
.wide { overflow-x: auto; }
form label { display: block; margin: 0.2rem 0; } form input { width: 22rem; max-width: 100%; } form textarea { width: 100%; }
form input, form textarea { box-sizing: border-box; }
form textarea, pre { font: 0.9em ui-monospace, monospace; } pre { overflow-x: auto; }
@media (max-width: 48rem) {
  body { overflow-wrap: anywhere; }
  thead, td:empty { display: none; }
  table, tbody, tr { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: 0.4rem 0; }
  td { display: inline-block; max-width: 100%; box-sizing: border-box; border: 0; padding: 0 0.9rem 0 0; }
  td:first-child { display: block; font-weight: 600; }
  td[data-head]:not(:first-child)::before { content: attr(data-head) " "; color: var(--dim); }
}
`;

export interface PageExtras {
  script?: string;
  reloadS?: number;
}

/**
 * A page that needs nothing but itself: it can be read without a network and without a script. `body` is HTML. `script` is
 * the only one that the page may run; it reaches only the server that the page is from. No other page may show this one in a
 * frame. With `reloadS` it loads itself anew after so many seconds.
 */
export function pageOf(title: string, body: string, { script, reloadS }: PageExtras = {}): Response {
  const hash = script === undefined ? null : new Bun.CryptoHasher("sha256").update(script).digest("base64");
  const allowed = hash === null ? "" : `; script-src 'sha256-${hash}'; connect-src 'self'`;
  const run = script === undefined ? "" : `<script>${script}</script>`;
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`;
  const reload = reloadS === undefined ? "" : `<meta http-equiv="refresh" content="${reloadS}">`;
  const html = `<!doctype html><html lang="en"><head>${head}${reload}<title>${escaped(title)}</title><style>${STYLE}</style></head>`;
  return new Response(`${html}<body>${body}${run}</body></html>`, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'${allowed}`,
    },
  });
}
