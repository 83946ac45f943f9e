import { resolve } from "node:path";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ElysiaAdapter } from "@bull-board/elysia";
import { Queue } from "bullmq";
import { Elysia } from "elysia";
import { AppError } from "#shared/errors/app-error.ts";
import { connectionOf } from "./bullmq.ts";
import type { QueueBoard } from "./queue-board.ts";

export interface QueueBoardOptions {
  url: string;
  /** All keys begin with it. */
  prefix: string;
  /** The queues that are shown. */
  queues: readonly string[];
}

const ANSWER_DEADLINE_MS = 5_000;
const CLOSE_DEADLINE_MS = 1_000;

/** Nothing is loaded from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; frame-ancestors 'none'; form-action 'none'; base-uri 'self'";

/** On a phone the board's title is white on white, and cut off. */
const STYLE =
  "<style>@media (max-width: 768px) " +
  "{ #root header > a { color: var(--text-color); box-shadow: none; line-height: 1.4; } }</style>";

/** The board's page without the font that it asks another host for. */
const mended = new HTMLRewriter()
  .on('link[href^="http"]', { element: (link) => void link.remove() })
  .on("head", { element: (head) => void head.append(STYLE, { html: true }) });

/** Serves the files of the pages itself: ElysiaAdapter looks for "dist" in their whole path, and finds it in a folder above them too. */
class Pages extends ElysiaAdapter {
  #folder = "";

  override setStaticPath(route: string, path: string) {
    this.#folder = resolve(path);
    return super.setStaticPath(route, path);
  }

  /** Null: it is no file of the pages. */
  async file(path: string): Promise<Response | null> {
    const below = path.startsWith("/static/") ? resolve(this.#folder, path.slice("/static/".length)) : "";
    const file = Bun.file(below);
    return below.startsWith(`${this.#folder}/`) && (await file.exists()) ? new Response(file) : null;
  }
}

/**
 * bull-board over the queues, to read alone: rows decide about tasks, jobs only wake their lanes. A job that is tried again,
 * removed or paused there would be healed by the workers, and a person misled.
 */
export function createBullmqBoard({ url, prefix, queues: names }: QueueBoardOptions): QueueBoard {
  const closed = new AbortController();
  let made: ReturnType<typeof make> | null = null;

  function make(basePath: string) {
    const connection = { ...connectionOf(url, closed.signal, false), commandTimeout: ANSWER_DEADLINE_MS };
    const queues = names.map(
      (name) => new Queue(name, { connection, prefix: `${prefix}:queue`, skipMetasUpdate: true }),
    );
    // Each look says whether Redis answers.
    for (const queue of queues) queue.on("error", () => undefined);
    const serverAdapter = new Pages(basePath);
    createBullBoard({
      queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true, allowRetries: false })),
      serverAdapter,
      options: { uiConfig: { boardTitle: "r3edge-engine", hideRedisDetails: true } },
    });
    const pages = serverAdapter.registerPlugin().then((plugin) => new Elysia().use(plugin));
    return { pages, queues, file: (path: string) => serverAdapter.file(path) };
  }

  return {
    async answer(request, basePath) {
      made ??= make(basePath);
      const { pages, file } = made;
      const own = await file(new URL(request.url).pathname.slice(basePath.length));
      if (own !== null) return own;
      const answer = await inTime(pages.then((app) => app.handle(request)));
      if (answer.status >= 500) throw (await answer.text()).includes("NOT_FOUND") ? noPage() : away();
      const headers = new Headers(answer.headers);
      headers.set("content-security-policy", POLICY);
      const page = new Response(answer.body, { status: answer.status, headers });
      return headers.get("content-type") === "text/html" ? mended.transform(page) : page;
    },
    async close() {
      closed.abort();
      const ended = (made?.queues ?? []).map((queue) => queue.close().catch(() => undefined));
      await Promise.race([Promise.all(ended), Bun.sleep(CLOSE_DEADLINE_MS)]);
    },
  };
}

async function inTime(answer: Promise<Response>): Promise<Response> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(away()), ANSWER_DEADLINE_MS);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function noPage(): AppError {
  return new AppError("NOT_FOUND", "permanent", "The board of the queues has no such page.");
}

function away(): AppError {
  return new AppError(
    "BROKER_UNAVAILABLE",
    "outage",
    "Redis does not answer; the tasks themselves are rows, and wait.",
  );
}
