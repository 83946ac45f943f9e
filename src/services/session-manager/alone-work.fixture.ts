import { json, type Work } from "#testing/alone-work.fixture.ts";
import { SESSION } from "#testing/alone-world.fixture.ts";

/** What it does when it runs alone. */
export const work: Work = {
  async give({ db }, url) {
    const { name, strategy, instrumentIds, timeFrame, accountId, capital, riskPolicy } = SESSION;
    const wanted = { name, strategy, instrumentIds, timeFrame, accountId, capital, riskPolicy };
    const { id } = await json(`${url}/api/session-manager/sessions`, wanted);
    return await db.sql`
      select type, envelope -> 'data' -> 'session' ->> 'state' as state, envelope -> 'data' -> 'session' -> 'params' as params
      from bus.log where topic = 'sessions' and key = ${String(id)}`;
  },
  comesTo: [{ type: "session.changed", state: "CREATED", params: { fast: 10, slow: 30 } }],
};
