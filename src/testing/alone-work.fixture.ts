import { orderRequestOf, signalOf } from "#shared/domain/domain.fixture.ts";
import type { RunningProcess } from "./alone.fixture.ts";
import { startVenue } from "./alone-venue.fixture.ts";
import { putReferences, SESSION, type World } from "./alone-world.fixture.ts";

/** A signal of the session of these tests, and the order that it leads to. */
export const SIGNAL = signalOf(SESSION, { marketAtMs: 1 });
export const ORDER = orderRequestOf(SESSION, 1, { signalId: SIGNAL.id });

/** What a service is given to do, and what is seen of it afterwards. */
export interface Work {
  /** Lays down what has to be there before the service starts; may start others. */
  before?(world: World): Promise<RunningProcess | undefined>;
  /** Gives it one message, task or request, and resolves with what came of it. */
  give(world: World, url: string, venueUrl: string): Promise<unknown>;
  comesTo: unknown;
}

/** Asks with GET, or with POST where there is a body, and reads the answer. */
export async function json(url: string, body?: unknown): Promise<Record<string, unknown>> {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await (await fetch(url, body === undefined ? {} : post)).json()) as Record<string, unknown>;
}

/** Those of a page. */
export const itemsOf = async (url: string) => (await json(url))["items"] as Record<string, unknown>[];

/** Before a service that carries out a session. */
export async function sessionAlone(world: World): Promise<undefined> {
  await putReferences(world);
}

/** Before one that trades for it at a venue too. */
export async function sessionAtVenue(world: World): Promise<RunningProcess> {
  await putReferences(world);
  return await startVenue(world);
}

/** One piece of real work for a service, through the real servers: what its folder's `alone-work.fixture.ts` says. */
export async function workOf(service: string): Promise<Work> {
  const { work } = (await import(`#services/${service}/alone-work.fixture.ts`)) as { work: Work };
  return work;
}
