import { Elysia } from "elysia";
import { httpBase, problemResponse } from "#shared/http/http-base.ts";
import { problem } from "#shared/http/problem.ts";
import type { QueueBoard } from "#shared/queue/queue-board.ts";
import type { Deps } from "#shared/service/service.ts";
import { overviewSchema, readOverview } from "./overview.ts";

const BOARD = "/queues";

/** REST of the overview, and the pages of the board. */
export function createRoutes(deps: Pick<Deps, "db" | "queue" | "alertKinds" | "clients" | "log" | "queueBoard">) {
  const overview = httpBase("dashboard", deps.log).get("/overview", () => readOverview(deps), {
    response: { 200: overviewSchema(deps.alertKinds) },
    detail: { summary: "What the engine does now: sessions, open alerts, waiting tasks" },
  });
  return new Elysia().use(overview).use(createBoard(deps.queueBoard));
}

interface Asked {
  request: Request;
  server: { requestIP(request: Request): { address: string } | null } | null;
}

/** There are no users yet, and jobs show what the engine does: who sits at this machine sees them, nobody else. */
function createBoard(board: QueueBoard) {
  const hidden = { detail: { hide: true } };
  const answer = ({ request, server }: Asked) => {
    const address = server?.requestIP(request)?.address ?? "";
    if (!isLoopback(address) || request.headers.has("x-forwarded-for"))
      return problemResponse(
        problem(403, "LOOPBACK_ONLY", "The board of the queues is shown on the machine that it runs on alone."),
        request,
      );
    return board.answer(request, BOARD);
  };
  return new Elysia().get(BOARD, answer, hidden).get(`${BOARD}/*`, answer, hidden);
}

/** Whether an address is of this machine alone: 127.0.0.0/8, ::1, or the first written as the second kind. */
function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}
