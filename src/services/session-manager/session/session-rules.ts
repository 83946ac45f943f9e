import { isDeepStrictEqual } from "node:util";
import type { ChangeSession, CreateSession } from "#services/session-manager/contract.ts";
import { DEGRADATIONS, type Degradation } from "#shared/domain/degradation.ts";
import { AT_WORK, mayTransition, type Session, type SessionState } from "#shared/domain/session.ts";
import type { StartStep } from "#shared/messages/topics.ts";

/** What a person may ask of a session, and the state it leads to. */
export const ACTIONS = { start: "STARTING", pause: "PAUSED", resume: "RUNNING", stop: "STOPPING" } as const;
export type Action = keyof typeof ACTIONS;
/** What may be asked of a session in one of its states. */
export type Command = Action | "delete";

/** Why a session is in STARTING, as long as nothing more is told. */
export const STARTING_REASON = "Waits until its strategy is warm and its account is compared with the venue's.";

/** What became of something asked for. */
export type Outcome =
  | { kind: "changed"; session: Session }
  | { kind: "refused"; asked: Command; allowed: readonly Command[] };

/** The fields that may change whatever the session does; all others only while it is at rest. */
const ALWAYS_FREE: readonly string[] = ["name", "riskPolicy", "stopPolicy"];
const AT_REST: readonly SessionState[] = ["CREATED", "STOPPED"];
/**
 * Fixed by the first start. Position, book, ledger and equity points of a session are kept by its id alone: they are in the
 * assets and candles of one instrument, account and time frame.
 */
export const FIXED_BY_START: readonly string[] = ["instrumentIds", "accountId", "timeFrame"];

/** A new session, in state CREATED. `strategyVersion` and the parameters are what strategy-executor answered. */
export function newSession(
  input: CreateSession,
  given: { id: string; code: string; partition: number; strategyVersion: string; nowMs: number },
): Session {
  const { nowMs, ...identity } = given;
  return {
    ...input,
    ...identity,
    state: "CREATED",
    stateReason: null,
    killId: null,
    degraded: [],
    run: 0,
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}

const LONGEST_NAME = 100;

/** What a copy of a session is made of: all that a person gave it, and in its place what is given now. */
export function copyOf(session: Session, given: Partial<CreateSession>): CreateSession {
  const { strategy, params, instrumentIds, timeFrame, accountId, capital, riskPolicy, stopPolicy } = session;
  // Half of a sign that takes two places goes too.
  const name = `Copy of ${session.name}`.slice(0, LONGEST_NAME).replace(/[\uD800-\uDBFF]$/, "");
  return { name, strategy, params, instrumentIds, timeFrame, accountId, capital, riskPolicy, stopPolicy, ...given };
}

/** What may be asked of a session now. RUNNING is reached by a person from PAUSED alone: from STARTING it comes by reports. */
export function allowedCommands(state: SessionState): Command[] {
  const actions = (Object.keys(ACTIONS) as Action[]).filter((action) => mayAct(state, action));
  return mayTransition(state, "DELETED") ? [...actions, "delete"] : actions;
}

function mayAct(state: SessionState, action: Action): boolean {
  return mayTransition(state, ACTIONS[action]) && (action !== "resume" || state === "PAUSED");
}

/** Why a step of a start has not been reached yet, in a sentence, where that was told. */
export type Waits = Partial<Record<StartStep, string>>;

const STOP_FIRST = "stop it first";
const START_FIRST = "start it first";
/**
 * The step that a person has to take first, by what was asked and by the state that refuses it. A state that is not named
 * here: no step leads there.
 */
const FIRST_STEPS: Readonly<Record<"change" | Command, Partial<Record<SessionState, string>>>> = {
  change: restFirst(),
  delete: restFirst(),
  start: { ...restFirst(), STARTING: "it is started already", PAUSED: `resume it, or ${STOP_FIRST}` },
  pause: { ...workFirst(), STARTING: "wait until it is RUNNING", PAUSED: "it is paused already" },
  resume: { ...workFirst(), STARTING: "it runs by itself once it may", RUNNING: "it runs already" },
  stop: {
    CREATED: "it was never started",
    STOPPING: "it stops already; a PATCH of stopPolicy changes what becomes of its orders and position",
    STOPPED: "it is stopped already",
  },
};

function restFirst(): Partial<Record<SessionState, string>> {
  const stop = Object.fromEntries(["STARTING", "RUNNING", "PAUSED", "FAULTED"].map((state) => [state, STOP_FIRST]));
  return { ...stop, STOPPING: "wait until it is STOPPED" };
}

function workFirst(): Partial<Record<SessionState, string>> {
  return {
    CREATED: START_FIRST,
    STOPPING: `wait until it is STOPPED, then ${START_FIRST}`,
    STOPPED: START_FIRST,
    FAULTED: START_FIRST,
  };
}

/** Which step comes first where a session in this state is asked for what it refuses. Null: no step leads there. */
export function firstStep(state: SessionState, asked: "change" | Command): string | null {
  return FIRST_STEPS[asked][state] ?? null;
}

/** What a session in STARTING waits for, in sentences: what the settings lack, and what was told last of each step. */
export function startingReason(degraded: readonly Degradation[], waits: Waits): string {
  const reasons = new Set([...lacksOf(degraded), ...Object.values(waits)]);
  return reasons.size === 0 ? STARTING_REASON : [...reasons].join(" ");
}

/** What a stop may have to wait for, where nothing else was told of it. Null: nothing is known. */
export function stoppingReason(degraded: readonly Degradation[]): string | null {
  const lacks = lacksOf(degraded);
  return lacks.length === 0 ? null : lacks.join(" ");
}

/** What the settings lack, and what is dead. */
function lacksOf(degraded: readonly Degradation[]): string[] {
  return degraded.filter(({ code }) => DEGRADATIONS[code].reporter === "session-manager").map(({ text }) => text);
}

/** What an action is carried out with. `stopPolicy`: the session's from this stop on. */
export interface Acting {
  nowMs: number;
  missing: readonly Degradation[];
  stopPolicy?: Session["stopPolicy"] | undefined;
}

/**
 * Carries an action out, or says what is allowed instead. A start is a new run. It begins with what is `missing` from the
 * settings; other reporters compare what they know with this list and report the rest.
 */
export function act(session: Session, action: Action, { nowMs, missing, stopPolicy }: Acting): Outcome {
  if (!mayAct(session.state, action))
    return { kind: "refused", asked: action, allowed: allowedCommands(session.state) };
  if (action !== "start") {
    const reason = action === "stop" ? stoppingReason(session.degraded) : null;
    const told = stopPolicy === undefined ? session : { ...session, stopPolicy };
    return { kind: "changed", session: moved(told, ACTIONS[action], reason, nowMs) };
  }
  const begun = { ...session, run: session.run + 1, degraded: [...missing] };
  return { kind: "changed", session: moved(begun, ACTIONS[action], startingReason(missing, {}), nowMs) };
}

/** Deletes a session that is at rest. Whether it still has a position or an open order is asked before. */
export function remove(session: Session, nowMs: number): Outcome {
  if (!mayTransition(session.state, "DELETED"))
    return { kind: "refused", asked: "delete", allowed: allowedCommands(session.state) };
  return { kind: "changed", session: moved(session, "DELETED", null, nowMs) };
}

/** Fields that a change would alter and the session's state does not let change. Empty: it may be made. */
export function lockedFields(session: Session, change: ChangeSession): string[] {
  const { state } = session;
  // No session comes back to CREATED: it was never started there.
  if (state === "CREATED") return [];
  const now: Record<string, unknown> = session;
  const fields = Object.entries(change).flatMap(([name, value]) =>
    value === undefined || isDeepStrictEqual(value, now[name]) ? [] : [name],
  );
  if (AT_REST.includes(state)) return fields.filter((field) => FIXED_BY_START.includes(field));
  return fields.filter((field) => !ALWAYS_FREE.includes(field));
}

/** The session with its new fields, one version on. */
export function changed(
  session: Session,
  change: ChangeSession & { strategyVersion?: string | undefined },
  nowMs: number,
): Session {
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  // What becomes of its orders and position is a person's word from here on.
  const killId = change.stopPolicy === undefined ? session.killId : null;
  return { ...session, ...given, killId, version: session.version + 1, updatedAtMs: nowMs };
}

/** The fields that a change names. */
export function fieldsOf(change: ChangeSession): string[] {
  return Object.entries(change)
    .filter(([, value]) => value !== undefined)
    .map(([field]) => field);
}

/**
 * The session in another state, one version on; nothing is missing to one that is not at work, and a kill's stop ends with STOPPING. The
 * caller has asked the state table.
 */
export function moved(session: Session, state: SessionState, reason: string | null, nowMs: number): Session {
  const degraded = AT_WORK.includes(state) ? session.degraded : [];
  const killId = state === "STOPPING" ? session.killId : null;
  return { ...session, state, stateReason: reason, killId, degraded, version: session.version + 1, updatedAtMs: nowMs };
}
