import type { OwnedUnit } from "#shared/bus/bus.ts";
import { readSessions } from "#shared/db/reference-rows.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { AT_WORK, type Session, seriesOf } from "#shared/domain/session.ts";
import type { Holding } from "./session/holding.ts";
import { SessionRunner, type Workplace } from "./session/session-runner.ts";

/** The sessions of one partition, led by this process for as long as it owns the unit. */
export class Shard {
  readonly #runners = new Map<string, SessionRunner>();
  /** Sessions that are over and still end what they are doing. */
  readonly #closing = new Set<Promise<void>>();

  constructor(
    private readonly place: Workplace,
    readonly unit: OwnedUnit,
  ) {}

  /** Takes up each session at work, from its row. One without a row begins with its event. */
  async open(): Promise<void> {
    const sessions = await readSessions(this.place.deps.db.sql, { states: AT_WORK, partition: this.unit.partition });
    for (const session of sessions) this.applySession(session);
  }

  /** Follows a session: a new one begins to work, one that is over ends. */
  applySession(session: Session): void {
    const runner = this.#runners.get(session.id);
    if (runner !== undefined && session.version <= runner.session.version) {
      // It may be the very event that began its run.
      runner.wake();
      return;
    }
    if (!AT_WORK.includes(session.state)) {
      this.#runners.delete(session.id);
      if (runner !== undefined) this.#end(runner);
    } else if (runner !== undefined) {
      runner.applySession(session);
    } else {
      const added = new SessionRunner(this.place, this.unit, session);
      this.#runners.set(session.id, added);
      added.wake();
    }
  }

  applyHolding(sessionId: string, holding: Holding, cleared: ReadonlySet<string>): void {
    this.#runners.get(sessionId)?.applyHolding(holding, cleared);
  }

  offer(candle: Candle): void {
    for (const runner of this.#runners.values()) runner.offer(candle);
  }

  /** Asks for the candles of those sessions that none has come for. */
  async askIfSilent(): Promise<void> {
    for (const runner of this.#runners.values()) await runner.askIfSilent();
  }

  /** Instruments whose candles its sessions wait for. */
  addInstruments(to: Set<string>): void {
    for (const { session } of this.#runners.values()) to.add(seriesOf(session).instrumentId);
  }

  /** Resolves when no session of it works any more. */
  async close(): Promise<void> {
    const runners = [...this.#runners.values()];
    this.#runners.clear();
    await Promise.all([...runners.map((runner) => runner.close()), ...this.#closing]);
  }

  #end(runner: SessionRunner): void {
    const closing = runner.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
