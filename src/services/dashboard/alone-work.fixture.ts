import { json, sessionAlone, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

/** What it does when it runs alone: the page shows the session, the board its queues. */
export const work: Work = {
  before: sessionAlone,
  async give(_world, url) {
    const [page, board, { queues }] = await Promise.all([
      fetch(`${url}/`).then((answer) => answer.text()),
      fetch(`${url}/queues/`).then((answer) => answer.status),
      json(`${url}/queues/api/queues`),
    ]);
    const names = (queues as { name: string }[]).map(({ name }) => name);
    return { session: page.includes(SESSION.id), board, isShown: names.includes("risk-manager") };
  },
  comesTo: { session: true, board: 200, isShown: true },
};
