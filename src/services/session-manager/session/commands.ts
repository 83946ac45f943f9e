import type {
  BulkAnswer,
  BulkWish,
  ChangeSession,
  CopySession,
  CreateSession,
} from "#services/session-manager/contract.ts";
import type { Answer, IdempotencyKeys } from "#services/session-manager/idempotency/idempotency.ts";
import { missingSettings } from "#services/session-manager/reports/missing-settings.ts";
import type { Store } from "#services/session-manager/store.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import type { Tx } from "#shared/db/db.ts";
import { holdRiskState } from "#shared/db/reference-rows.ts";
import { deadOfSessions } from "#shared/dead/dead-of-sessions.ts";
import type { Session, SessionState } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { checkIfMatch, requireIfMatch } from "#shared/http/versions.ts";
import { event, SESSIONS } from "#shared/messages/topics.ts";
import { targetOf } from "#shared/risk/risk-scope.ts";
import { sayRiskState } from "#shared/risk/risk-state-rule.ts";
import type { Deps } from "#shared/service/service.ts";
import { actOnMany } from "./bulk.ts";
import type { Conditions } from "./conditions.ts";
import { writeEvent } from "./event-store.ts";
import { saveSession } from "./save-session.ts";
import { newCode } from "./session-code.ts";
import { changeOf } from "./session-event.ts";
import {
  type Action,
  act,
  allowedCommands,
  changed,
  copyOf,
  FIXED_BY_START,
  fieldsOf,
  firstStep,
  lockedFields,
  newSession,
  type Outcome,
  remove,
} from "./session-rules.ts";
import { CHECKED, validateSession } from "./validate-session.ts";

export interface CommandDeps {
  deps: Pick<Deps, "db" | "bus" | "clients" | "clock" | "exchanges">;
  store: Store;
  keys: IdempotencyKeys;
}

/** An action as it is asked for. */
export interface Asked {
  action: Action;
  stopPolicy?: Session["stopPolicy"] | undefined;
}

/** Each is one transaction: the session's row, what belongs to it, its event, and the answer under its key. */
export interface Commands {
  create(input: CreateSession, conditions: Conditions): Promise<Answer>;
  /** A new session like another one, with what is given otherwise. */
  copy(id: string, change: NonNullable<CopySession>, conditions: Conditions): Promise<Answer>;
  change(id: string, change: ChangeSession, conditions: Conditions): Promise<Answer>;
  /** `stopPolicy`: of a stop, where it was told one. */
  act(id: string, { action, stopPolicy }: Asked, conditions: Conditions): Promise<Answer>;
  remove(id: string, conditions: Conditions): Promise<Answer>;
  /** One action for many sessions, each a transaction of its own. */
  bulk(wish: BulkWish, conditions: Conditions): Promise<BulkAnswer>;
}

type SingleCommands = Omit<Commands, "bulk">;

/** Of those that make work, so many run at once, and so many more wait: a crowd leaves room for what runs. */
const AT_ONCE = 8;
const IN_LINE = 2_000;
/** How long one waits before it is begun, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Limits how much of what a crowd asks for runs at once. SERVICE_UNAVAILABLE (transient) where too many wait, or one for too long. */
function createCrowdLimit(clock: Clock): (run: () => Promise<Answer>) => Promise<Answer> {
  const limit = new CallLimit({ service: "session-manager", atOnce: AT_ONCE, inLine: IN_LINE });
  const text = `The request has waited for ${PATIENCE_MS / 1_000} s behind others and was not begun: send it again, with the same Idempotency-Key.`;
  return (run) => {
    const [late, over] = [new AbortController(), new AbortController()];
    void clock.sleep(PATIENCE_MS, over.signal).then(() => {
      late.abort(new AppError("SERVICE_UNAVAILABLE", "transient", text));
    });
    return limit.run(late.signal, run).finally(() => over.abort());
  };
}

/** Makes the commands of sessions. What holds a session back waits for no crowd: pause, stop and delete run at once. */
export function createCommands(context: CommandDeps): Commands {
  const commands = commandsOf(context);
  // Apart: a change asks other services, and one that hangs keeps no session from its start.
  const limitChanges = createCrowdLimit(context.deps.clock);
  const limitStarts = createCrowdLimit(context.deps.clock);
  const limited: SingleCommands = {
    create: (input, conditions) => limitChanges(() => commands.create(input, conditions)),
    copy: (id, change, conditions) => limitChanges(() => commands.copy(id, change, conditions)),
    change: (id, change, conditions) => limitChanges(() => commands.change(id, change, conditions)),
    act(id, asked, conditions) {
      const act = () => commands.act(id, asked, conditions);
      return asked.action === "start" ? limitStarts(act) : act();
    },
    remove: (id, conditions) => commands.remove(id, conditions),
  };
  return { ...limited, bulk: (wish, conditions) => actOnMany(context, limited, { wish, conditions }) };
}

function commandsOf(context: CommandDeps): SingleCommands {
  const given = async ({ scope }: Conditions) => (scope === null ? null : context.keys.find(scope));
  return {
    create: async (input, conditions) =>
      (await given(conditions)) ?? create(context, input, { conditions, cause: "create", keepsParams: false }),
    copy: async (id, change, conditions) => {
      const before = await given(conditions);
      if (before !== null) return before;
      const input = copyOf(await findSession(context, id), defined(change));
      return create(context, input, { conditions, cause: `copy of ${id}`, keepsParams: change.params === undefined });
    },
    change: async (id, change, conditions) =>
      (await given(conditions)) ?? changeSession(context, { id, change, conditions }),
    act: async (id, { action, stopPolicy }, conditions) =>
      once(context, conditions, async (tx) => {
        const session = await lockSession(context, tx, { id, ifMatch: conditions.ifMatch });
        const nowMs = context.deps.clock.nowMs();
        if (action === "start" || action === "resume") await refuseHalted(tx, session, nowMs);
        const missing = missingSettings(session, context.deps.exchanges, nowMs);
        const outcome = act(session, action, { nowMs, missing, stopPolicy });
        const origin = { by: conditions.caller, cause: action };
        return save(context, tx, { before: session, session: sessionOrConflict(session, outcome), origin });
      }),
    remove: async (id, conditions) => (await given(conditions)) ?? removeSession(context, id, conditions),
  };
}

async function create(
  context: CommandDeps,
  input: CreateSession,
  { conditions, cause, keepsParams }: { conditions: Conditions; cause: string; keepsParams: boolean },
): Promise<Answer> {
  const { clients, clock, bus } = context.deps;
  const checked = await validateSession(input, { fields: CHECKED, keepsParams }, clients);
  if (checked === null) throw new AppError("INTERNAL", "permanent", "The strategy was not asked about.");
  const { strategyVersion, params } = checked;
  const id = crypto.randomUUID();
  const known = { id, partition: bus.partitionOf(id), strategyVersion };
  return once(context, conditions, async (tx) => {
    const nowMs = clock.nowMs();
    let session = newSession({ ...input, params }, { ...known, code: newCode(), nowMs });
    while (!(await context.store.insert(tx, session))) session = { ...session, code: newCode() };
    await writeEvent(tx, session, { ...changeOf(null, session), by: conditions.caller, cause });
    bus.publish(tx, [event(SESSIONS, id, "session.changed", { from: null, session })]);
    return { status: 201, session };
  });
}

async function changeSession(
  context: CommandDeps,
  { id, change, conditions }: { id: string; change: ChangeSession; conditions: Conditions },
): Promise<Answer> {
  requireIfMatch(conditions.ifMatch);
  const read = await findSession(context, id);
  checkIfMatch(read, conditions.ifMatch);
  refuseLocked(read.state, lockedFields(read, change));
  const fields = fieldsOf(change);
  const wanted = { ...read, ...defined(change) };
  const about = { fields, keepsParams: change.params === undefined };
  const checked = await validateSession(wanted, about, context.deps.clients);
  return once(context, conditions, async (tx) => {
    const before = await lockSession(context, tx, { id, ifMatch: `"${read.version}"` });
    const session = changed(before, { ...change, ...checked }, context.deps.clock.nowMs());
    return save(context, tx, { before, session, origin: { by: conditions.caller, cause: "change" } });
  });
}

async function removeSession(context: CommandDeps, id: string, conditions: Conditions): Promise<Answer> {
  const read = await findSession(context, id);
  checkIfMatch(read, conditions.ifMatch);
  sessionOrConflict(read, remove(read, 0));
  await refuseExposed(context, id);
  return once(context, conditions, async (tx) => {
    // The version that was seen without a position: a start in between would be another one.
    const before = await lockSession(context, tx, { id, ifMatch: `"${read.version}"` });
    await refuseDead(tx, id);
    const session = sessionOrConflict(before, remove(before, context.deps.clock.nowMs()));
    await save(context, tx, { before, session, origin: { by: conditions.caller, cause: "delete" } });
    return { status: 204, session: null };
  });
}

function once(context: CommandDeps, { scope }: Conditions, change: (tx: Tx) => Promise<Answer>): Promise<Answer> {
  return context.deps.db.transaction((tx) => context.keys.once(tx, scope, () => change(tx)));
}

async function findSession({ store }: CommandDeps, id: string): Promise<Session> {
  return (await store.find(id)) ?? unknown();
}

async function lockSession(
  { store }: CommandDeps,
  tx: Tx,
  { id, ifMatch }: { id: string; ifMatch: string | undefined },
): Promise<Session> {
  const session = (await store.lock(tx, id)) ?? unknown();
  checkIfMatch(session, ifMatch);
  return session;
}

async function save(context: CommandDeps, tx: Tx, of: Parameters<typeof saveSession>[2]): Promise<Answer> {
  await saveSession(tx, context, of);
  return { status: 200, session: of.session };
}

/** The session an outcome leads to; what was refused is CONFLICT (409) with what is allowed. */
function sessionOrConflict(session: Session, outcome: Outcome): Session {
  if (outcome.kind === "changed") return outcome.session;
  throw conflict(session.state, outcome);
}

function refuseLocked(state: SessionState, fields: readonly string[]): void {
  if (fields.length === 0) return;
  const fixed = fields.filter((field) => FIXED_BY_START.includes(field));
  const others = fields.filter((field) => !FIXED_BY_START.includes(field));
  const reasons = [
    ...(fixed.length > 0 ? [`${fixed.join(", ")} may change before its first start only; make a new session`] : []),
    ...(others.length > 0
      ? [`${others.join(", ")} may change while it is CREATED or STOPPED only; ${firstStep(state, "change")}`]
      : []),
  ];
  throw new AppError("CONFLICT", "permanent", `The session is ${state}: ${reasons.join("; ")}.`, {
    details: { state, fields, allowed: allowedCommands(state) },
  });
}

async function refuseExposed({ deps }: CommandDeps, id: string): Promise<void> {
  const { openOrders, positions } = await deps.clients.orderPositionTracker.exposure(id);
  if (openOrders === 0 && positions === 0) return;
  const text =
    "The session has a position or an open order: start it, and stop it with the stop policy flatten (or close both at the venue).";
  throw new AppError("CONFLICT", "permanent", text, { details: { openOrders, positions } });
}

/** After a kill nothing trades before a person has said so to risk-manager. */
async function refuseHalted({ sql }: Tx, session: Session, nowMs: number): Promise<void> {
  const risk = await holdRiskState(sql, session, nowMs);
  if (risk === null || risk.level < 3) return;
  const target = targetOf(risk.scope);
  const how =
    "account" in target
      ? `PUT /api/risk-manager/accounts/${target.account}/trading-state with {"tradingState": "ACTIVE"} ends that first.`
      : `POST /api/risk-manager/release with ${JSON.stringify(target)} ends that first.`;
  throw new AppError("CONFLICT", "permanent", `${sayRiskState(risk)} ${how}`, { details: { scope: risk.scope } });
}

/** What is dead of it would be told of a session that nobody finds any more. */
async function refuseDead(tx: Tx, id: string): Promise<void> {
  const dead = (await deadOfSessions(tx.sql)).get(id);
  if (dead !== undefined) throw new AppError("CONFLICT", "permanent", `It cannot be deleted yet. ${dead.text}`);
}

function conflict(state: SessionState, { asked, allowed }: Outcome & { kind: "refused" }): AppError {
  const may = allowed.length === 0 ? "nothing may be asked of it now" : `it takes ${allowed.join(", ")}`;
  const told = [firstStep(state, asked), may].filter((part) => part !== null).join("; ");
  return new AppError("CONFLICT", "permanent", `The session is ${state}: ${told}.`, { details: { state, allowed } });
}

function unknown(): never {
  throw new AppError("NOT_FOUND", "permanent", "There is no such session.");
}

/** Without the fields that were not given. */
function defined(change: ChangeSession | NonNullable<CopySession>): Partial<CreateSession> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
