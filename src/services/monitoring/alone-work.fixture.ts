import { PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { systemClock } from "#shared/clock/system.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { itemsOf, json, type Work } from "#testing/alone-work.fixture.ts";

const ALERT = { scope: "topic:orders", kind: PROCESS_ALERTS.BROKER_FORGED, text: "Entries were found.", data: {} };
/** Met from the start: the process that runs alone is ready. */
const RULE = {
  id: "SOMEBODY_WORKS",
  fact: "service.ready",
  comparison: "above",
  limit: 0,
  severity: "info",
  text: "A service takes work.",
  toDo: "Be glad.",
};

/** What it does when it runs alone: another's alert is collected, a rule raises one of its own, its heartbeat and its role are seen. */
export const work: Work = {
  async give({ db, bus }, url) {
    const api = `${url}/api/monitoring`;
    await db.transaction((tx) => raiseAlert(tx, { bus, clock: systemClock }, ALERT));
    await json(`${api}/rules`, RULE);
    const alerts = await eventually("both alerts", async () => {
      const open = await itemsOf(`${api}/alerts`);
      return open.length > 1 && open.map(({ scope, code, severity }) => ({ scope, code, severity }));
    });
    const services = (await itemsOf(`${api}/services`)).map(({ service, ready }) => ({ service, ready }));
    const roles = (await itemsOf(`${api}/leaders`)).map(({ role }) => role);
    const { atRest } = await json(`${api}/at-rest`);
    const page = await (await fetch(`${api}/`)).text();
    const byScope = alerts.toSorted((a, b) => (String(a.scope) < String(b.scope) ? -1 : 1));
    return {
      alerts: byScope,
      services,
      looks: roles.includes("monitoring:look"),
      atRest,
      onPage: page.includes("BROKER_FORGED") && page.includes("SOMEBODY_WORKS"),
    };
  },
  comesTo: {
    alerts: [
      { scope: "rule:SOMEBODY_WORKS/service:monitoring", code: "RULE_MET", severity: "info" },
      { scope: "topic:orders", code: "BROKER_FORGED", severity: "critical" },
    ],
    services: [{ service: "monitoring", ready: 1 }],
    looks: true,
    atRest: true,
    onPage: true,
  },
};
