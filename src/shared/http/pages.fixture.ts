import { z } from "zod";

const pageOfAnything = z.object({
  items: z.array(z.record(z.string(), z.unknown())),
  nextCursor: z.string().nullable(),
});

/** Reads a list from one end to the other, two rows a page. `meanwhile` runs between the first pages. */
export async function readPages(
  routes: { handle(request: Request): Response | Promise<Response> },
  path: string,
  meanwhile: () => Promise<unknown> = async () => undefined,
): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  let at = "";
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const answer = await routes.handle(new Request(`http://localhost${path}&limit=2${at}`));
    const page = pageOfAnything.parse(await answer.json());
    found.push(...page.items);
    if (page.nextCursor === null) return found;
    at = `&cursor=${encodeURIComponent(page.nextCursor)}`;
    if (pages < MOST_ADDED) await meanwhile();
  }
  throw new Error("The list has no end.");
}

const MOST_PAGES = 50;
const MOST_ADDED = 4;
