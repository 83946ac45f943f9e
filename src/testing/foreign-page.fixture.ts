/** What a page tried with an engine, and what came of it as the page saw it. */
export type Outcomes = Readonly<Record<string, string>>;

/** What a page is shown of the engine that it tries to control. */
export interface Aim {
  /** Its address, `http://...`. */
  engine: string;
  sessionId: string;
  /** Path of a WebSocket there. */
  socket: string;
}

/** What is used of the browser's. */
declare const document: { forms: [{ submit(): void }]; querySelector(name: "iframe"): EventTarget };

/** Runs in the browser: all that a page of anyone can make it send to another address. */
async function tryAll({ engine, sessionId, socket }: Aim): Promise<void> {
  const session = `${engine}/api/session-manager/sessions/${sessionId}`;
  const outcomes: Record<string, string> = {};
  const fetched = (url: string, init: RequestInit) =>
    fetch(url, init).then(
      (answer) => (answer.type === "opaque" ? "sent" : `read ${answer.status}`),
      () => "failed",
    );
  outcomes["reads the session"] = await fetched(session, {});
  outcomes["pauses by fetch"] = await fetched(`${session}/pause`, { method: "POST" });
  outcomes["pauses by fetch without asking to read the answer"] = await fetched(`${session}/pause`, {
    method: "POST",
    mode: "no-cors",
  });
  const headers = { "content-type": "application/json" };
  outcomes["stops by fetch with JSON"] = await fetched(`${session}/stop`, { method: "POST", headers, body: "{}" });
  outcomes["pauses by a form without a body"] = await new Promise<string>((resolve) => {
    document.querySelector("iframe").addEventListener("load", () => resolve("sent"));
    document.forms[0].submit();
  });
  outcomes["opens a WebSocket"] = await new Promise<string>((resolve) => {
    const opened = new WebSocket(engine.replace("http", "ws") + socket);
    opened.addEventListener("open", () => resolve("open"));
    opened.addEventListener("error", () => resolve("failed"));
  });
  await fetch("/outcomes", { method: "POST", body: JSON.stringify(outcomes) });
}

/** Serves a page that tries all of it once it is opened. */
export function servePage(aim: Aim, port: number) {
  const told = Promise.withResolvers<Outcomes>();
  const pause = `${aim.engine}/api/session-manager/sessions/${aim.sessionId}/pause`;
  const html =
    `<!doctype html><meta charset="utf-8"><iframe name="answer"></iframe>` +
    `<form method="post" target="answer" action="${pause}"></form>` +
    `<script>(${String(tryAll)})(${JSON.stringify(aim)})</script>`;
  const server = Bun.serve({
    port,

    hostname: "127.0.0.1",
    async fetch(request) {
      if (request.method !== "POST") return new Response(html, { headers: { "content-type": "text/html" } });
      told.resolve((await request.json()) as Outcomes);
      return new Response();
    },
  });
  return { outcomes: told.promise, stop: () => server.stop(true) };
}
