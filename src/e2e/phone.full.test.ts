import { afterAll, beforeAll, expect, test } from "bun:test";
import { postJson } from "#local/rest.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { itemsOf } from "#testing/alone-work.fixture.ts";
import { type RunningApi, startApi } from "#testing/api.fixture.ts";
import { findChromium, withPage } from "#testing/chromium.fixture.ts";

const PAGES = ["/", "/api/monitoring/", "/openapi"];
const BOARD = "/queues";

/** What is used of the browser's. */
interface Box {
  scrollWidth: number;
  clientWidth: number;
  open: boolean;
}
interface Page {
  documentElement: Box;
  querySelector(selector: string): Box | null;
  querySelectorAll(selector: string): Iterable<Box>;
}
interface Frame {
  style: { cssText: string };
  src: string;
  contentDocument: Page;
  addEventListener(name: "load", run: () => void): void;
}
declare const document: { createElement(name: "iframe"): Frame; body: { append(frame: Frame): void } };
declare function getComputedStyle(of: Box | null): { display: string; color: string; backgroundColor: string };

/** Runs in the browser: how much wider each page is than a phone, how rows of tables are laid out, and how the board's title looks there. */
async function look(pages: string[], board: string): Promise<void> {
  const onPhone = async (path: string): Promise<Page> => {
    const frame = document.createElement("iframe");
    frame.style.cssText = "width: 390px; height: 844px; border: 0";
    frame.src = path;
    const loaded = new Promise<void>((resolve) => frame.addEventListener("load", resolve));
    document.body.append(frame);
    await loaded;
    return frame.contentDocument;
  };
  const excess: Record<string, number> = {};
  const rows = new Set<string>();
  for (const path of pages) {
    const page = await onPhone(path);
    for (const details of page.querySelectorAll("details")) details.open = true;
    const boxes = [page.documentElement, ...page.querySelectorAll(".wide")];
    excess[path] = Math.max(...boxes.map(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth));
    for (const row of page.querySelectorAll("tbody tr")) rows.add(getComputedStyle(row).display);
  }
  const page = await onPhone(board);
  while (page.querySelector("header > a") === null) await new Promise((resolve) => setTimeout(resolve, 10));
  const { color } = getComputedStyle(page.querySelector("header > a"));
  const { backgroundColor } = getComputedStyle(page.querySelector("header"));
  const seen = { excess, rows: [...rows], title: [color, backgroundColor] };
  await fetch("/outcome", { method: "POST", body: JSON.stringify(seen) });
}

let chromium: string;
let api: RunningApi;
beforeAll(async () => {
  chromium = await findChromium();
  api = await startApi();
}, 300_000);
afterAll(async () => await api.close());

interface Seen {
  excess: Record<string, number>;
  rows: string[];
  title: [string, string];
}

/** The engine's pages from an origin that may show them in frames of a phone's size. */
function serveFrames() {
  const outcome = Promise.withResolvers<Seen>();
  const page = `<body><script>(${String(look)})(${JSON.stringify(PAGES)}, "${BOARD}")</script>`;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/look") return new Response(page, { headers: { "content-type": "text/html" } });
      if (pathname !== "/outcome") {
        const answer = await fetch(`${api.process.url}${pathname}${search}`);
        return new Response(answer.body, { headers: { "content-type": answer.headers.get("content-type") ?? "" } });
      }
      outcome.resolve((await request.json()) as never);
      return new Response();
    },
  });
  return { url: `http://127.0.0.1:${server.port}/look`, outcome: outcome.promise, stop: () => server.stop(true) };
}

test("on a phone no page is wider than the screen, whatever it has to say, and the board's title is seen", async () => {
  const rule = { fact: "service.ready", comparison: "above", limit: 0, only: ["service:risk-manager"] };
  const words = { severity: "info", text: "word".repeat(40), toDo: "Nothing." };
  await postJson(`${api.url}/monitoring/rules`, { id: "LONG_WORD", ...rule, ...words });
  await eventually("its alert", async () => (await itemsOf(`${api.url}/monitoring/alerts?scope=rule:LONG`)).length > 0);
  const frames = serveFrames();
  try {
    const { excess, rows, title } = await withPage(chromium, frames.url, () => frames.outcome);
    expect(excess).toEqual(Object.fromEntries(PAGES.map((path) => [path, 0])));
    expect(rows).toEqual(["block"]);
    const [color, background] = title.map((text) => (text.match(/\d+/g) ?? []).map(Number)) as [number[], number[]];
    expect(Math.abs((color[0] ?? 0) - (background[0] ?? 0))).toBeGreaterThan(100);
  } finally {
    await frames.stop();
  }
}, 60_000);
