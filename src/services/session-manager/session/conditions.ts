import type { z } from "zod";
import type { changeHeaders } from "#services/session-manager/contract.ts";
import type { KeyScope } from "#services/session-manager/idempotency/idempotency-store.ts";
import { fingerprintOf } from "#shared/http/fingerprint.ts";

/** How a change is asked for: by whom, the version that is meant, and the key under which its answer is kept. */
export interface Conditions {
  caller: string;
  ifMatch: string | undefined;
  scope: KeyScope | null;
}

/** Until users are known, the gateway's header names the caller. */
export function conditionsOf(
  request: Request,
  headers: Partial<z.infer<typeof changeHeaders>>,
  body: unknown,
): Conditions {
  const { "idempotency-key": key, "if-match": ifMatch, "x-forwarded-user": caller = "local" } = headers;
  if (key === undefined) return { caller, ifMatch, scope: null };
  // One session, however its id is written.
  const route = `${request.method} ${new URL(request.url).pathname.toLowerCase()}`;
  return { caller, ifMatch, scope: { caller, route, key, fingerprint: fingerprintOf(body) } };
}
