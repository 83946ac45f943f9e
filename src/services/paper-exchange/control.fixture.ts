import { z } from "zod";
import { stateSchema } from "./control.ts";
import { activeFaultSchema } from "./faults/faults.ts";

/** Where the market stands. */
export async function state(url: string, query = "") {
  return stateSchema.parse(await (await fetch(`${url}/control/state${query}`)).json());
}

/** Releases the present step and gives the state after it. */
export async function release(url: string, step: number) {
  const response = await fetch(`${url}/control/release`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ step }),
  });
  return { status: response.status, state: stateSchema.parse(await response.json()) };
}

/** Releases until so many bars are closed. */
export async function releaseBars(url: string, bar: number) {
  let now = await state(url);
  while (now.bar < bar) now = (await release(url, now.step)).state;
  return now;
}

export async function tick(url: string, price: string) {
  const response = await fetch(`${url}/control/tick`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ price }),
  });
  return z.object({ id: z.number(), price: z.string(), atMs: z.number() }).parse(await response.json());
}

/** Sets the faults of a market in place of those before; gives them as they are listed. */
export async function setFaults(url: string, ...faults: object[]) {
  const response = await fetch(`${url}/control/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ seed: 7, faults }),
  });
  if (!response.ok) throw new Error(await response.text());
  return z.object({ faults: z.array(activeFaultSchema) }).parse(await response.json()).faults;
}
