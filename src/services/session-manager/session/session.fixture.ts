import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Session, SessionState } from "#shared/domain/session.ts";

/** A session that was started twice, in this state. */
export function sessionIn(state: SessionState): Session {
  const id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
  return sessionOf({ id, code: "abcd1234", params: { fast: 10, slow: 30 }, state, run: 2, version: 5, updatedAtMs: 2 });
}
