import { loadCandles, readColumns } from "#services/backtest/load-candles.ts";
import type { Settings } from "#services/backtest/settings.ts";
import type { SweepSetup } from "#services/backtest/threads/sweep-task.ts";
import type { SweepRunner, SweepThreads } from "#services/backtest/threads/sweep-threads.ts";
import { type Ending, firstOf } from "#shared/clock/within.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { LaneTx, LeasedLane, TaskOf } from "#shared/queue/queue.ts";
import type { Deps } from "#shared/service/service.ts";
import type { RUN_SWEEP } from "./messages.ts";
import {
  beginPart,
  failSweep,
  isWaiting,
  type Pinned,
  pinSweep,
  type TriedRun,
  type WaitingRun,
  type WorkedSweep,
  writeRuns,
} from "./store.ts";

type SweepTask = TaskOf<typeof RUN_SWEEP>;

/** What a worker of sweeps is made from. */
export interface SweepPlace {
  deps: Deps;
  settings: Settings;
  threads: SweepThreads;
  /** Aborts as the process stops: what is under way is put back. */
  stopping: AbortSignal;
}

/** A part as it was taken. */
export interface TakenPart {
  sweep: WorkedSweep;
  runs: readonly WaitingRun[];
}

/** So often what is done is written, and the sweep looked at from outside its thread. */
const LOOK_EVERY_MS = 500;
/** A part that takes longer is put back, so that its task never reaches its deadline. */
const TURN_MS = 1_800_000;
/** A run whose thread has ended so often fails. */
const MOST_THREAD_ENDS = 3;
/** So long a part that is put back waits, for another worker where this one stops. */
const PUT_BACK_MS = 250;

/** The task's first step: which runs of the part are not over. Null: none, or the sweep is. */
export async function takePart(tx: LaneTx, task: SweepTask): Promise<TakenPart | null> {
  const taken = await beginPart(tx, task.payload);
  if (taken !== null && taken.runs.length > 0) return taken;
  tx.complete(task, { ...task.payload, state: "over" });
  return null;
}

/** How a worker's turn at a part ended: with a reason that fails the whole sweep, or with what was done of it. */
type TurnEnd = { kind: "worked" } | { kind: "failed"; reason: string };

/**
 * Runs what waits of a part, one run after the other in a thread that knows the sweep's history. What is done is written
 * twice a second under the lease of the part: a worker that dies leaves that, and the next one goes on behind it.
 */
export async function workPart(
  place: SweepPlace,
  { lane, task, taken }: { lane: LeasedLane; task: SweepTask; taken: TakenPart },
): Promise<void> {
  const { clock } = place.deps;
  const { sweepId, part } = task.payload;
  const turn = new Turn(place, lane, taken);
  const end = await turn.work();
  await lane.step(async (tx) => {
    const atMs = clock.nowMs();
    const goesOn = await writeRuns(tx, sweepId, turn.unwritten, atMs);
    if (goesOn && end.kind === "failed") await failSweep(tx, sweepId, end.reason, atMs);
    // The rows say what is left, not this process.
    const isPutBack = goesOn && end.kind === "worked" && (await isWaiting(tx, task.payload));
    if (isPutBack) tx.retryIn(task, PUT_BACK_MS);
    else tx.complete(task, { sweepId, part, state: goesOn ? end.kind : "canceled", runs: turn.over });
  });
}

/** One worker's turn at a part. */
class Turn {
  /** What came of runs and is not written yet. */
  readonly unwritten: TriedRun[] = [];
  /** How many runs were ended in this turn. */
  over = 0;
  readonly #canceled = new AbortController();
  readonly #ended = new AbortController();
  readonly #ending: Ending;
  readonly #untilMs: number;

  constructor(
    private readonly place: SweepPlace,
    private readonly lane: LeasedLane,
    private readonly taken: TakenPart,
  ) {
    this.#untilMs = place.deps.clock.monotonicMs() + TURN_MS;
    this.#ending = firstOf([lane.signal, place.stopping, this.#canceled.signal]);
  }

  /** Ends with its runs, where it is canceled or put back, and where the sweep cannot be worked. All else is thrown. */
  async work(): Promise<TurnEnd> {
    const { threads, deps } = this.place;
    const { sweep } = this.taken;
    const watching = this.#watch();
    try {
      await threads.use(
        sweep.id,
        () => prepare(this.place, sweep),
        (runner) => this.#runAll(runner),
      );
      return { kind: "worked" };
    } catch (error) {
      if (this.lane.signal.aborted) throw error;
      if (this.#ending.signal.aborted) return { kind: "worked" };
      if (!(error instanceof AppError) || error.kind !== "permanent" || error.code === "FENCED") throw error;
      deps.log.info({ sweepId: sweep.id, reason: error.message }, "a sweep failed");
      return { kind: "failed", reason: error.message };
    } finally {
      this.#ended.abort();
      await watching;
      this.#ending.release();
    }
  }

  async #runAll(runner: SweepRunner): Promise<void> {
    const { clock } = this.place.deps;
    for (const waiting of this.taken.runs) {
      if (clock.monotonicMs() > this.#untilMs) return;
      const run = await this.#run(runner, waiting);
      this.unwritten.push(run);
      if (run.state !== "QUEUED") this.over += 1;
    }
  }

  /**
   * A strategy that fails is how its run ends, and no other's. A run whose thread is ended, nobody knows by whom, is tried again
   * behind those of its part; where that goes on, it is the run's.
   */
  async #run(runner: SweepRunner, waiting: WaitingRun): Promise<TriedRun> {
    const { number } = waiting;
    const deadlineS = this.place.settings.R3_BACKTEST_DEADLINE_S;
    const tooLate = `It took longer than its deadline of ${deadlineS} s (R3_BACKTEST_DEADLINE_S).`;
    try {
      const limits = { signal: this.#ending.signal, deadlineMs: deadlineS * 1_000, tooLate };
      const end = await runner.run(waiting, limits);
      if (end.kind === "done") return { number, state: "DONE", ...end.figures };
      const threadEnds = waiting.threadEnds + 1;
      if (threadEnds < MOST_THREAD_ENDS) return { number, state: "QUEUED", threadEnds };
      return { number, state: "FAILED", error: `Its thread has ended ${threadEnds} times. At last: ${end.told}` };
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "STRATEGY_FAILED") throw error;
      return { number, state: "FAILED", error: error.message };
    }
  }

  /** Writes what is done, again and again, and sees whether the sweep goes on. What could not be written is written later. */
  async #watch(): Promise<void> {
    const { clock, log } = this.place.deps;
    const { id } = this.taken.sweep;
    while (!this.#ended.signal.aborted && !this.lane.signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, this.#ended.signal);
      if (this.#ended.signal.aborted || this.lane.signal.aborted) return;
      const finished = [...this.unwritten];
      try {
        const goesOn = await this.lane.step((tx) => writeRuns(tx, id, finished, clock.nowMs()));
        if (goesOn) this.unwritten.splice(0, finished.length);
        else this.#canceled.abort();
      } catch (error) {
        log.debug({ sweepId: id, error: messageOf(error) }, "runs of a sweep were not written yet");
      }
    }
  }
}

/** What all runs of a sweep have in common. Read once in a process; the candles and the instrument are those that the first worker found. */
async function prepare({ deps, settings, stopping }: SweepPlace, sweep: WorkedSweep): Promise<SweepSetup> {
  const { clients, strategies, db } = deps;
  const { request } = sweep;
  const info = strategies.find(request.strategy);
  if (info?.version !== sweep.strategyVersion) {
    const here = info === null ? "there is none here" : `here is ${info.version}`;
    const text = `The sweep was made for ${request.strategy} in version ${sweep.strategyVersion}, and ${here}: make a new one.`;
    throw new AppError("STRATEGY_FAILED", "permanent", text);
  }
  const limits = { maxBars: settings.R3_BACKTEST_MAX_BARS, signal: stopping };
  const found = sweep.pinned === null ? await look(deps, request, limits) : null;
  const pinned = sweep.pinned ?? (await db.transaction((tx) => pinSweep(tx, sweep.id, (found as Found).pinned)));
  const { instrument, firstN, lastN } = pinned;
  const isFound = found !== null && found.pinned.firstN === firstN && found.pinned.lastN === lastN;
  const range = { instrumentId: request.instrumentId, timeFrame: request.timeFrame, firstN, lastN };
  const columns = isFound ? found.columns : await readColumns(clients.marketData, range, stopping);
  const { file, texts } = info;
  const { strategy, timeFrame, capital, riskPolicy: policy } = request;
  return { strategy, file, texts, instrument, columns, firstN, timeFrame, capital, policy };
}

interface Found {
  pinned: Pinned;
  columns: SweepSetup["columns"];
}

async function look(
  { clients }: Deps,
  request: WorkedSweep["request"],
  limits: { maxBars: number; signal: AbortSignal },
): Promise<Found> {
  const instrument = await clients.marketData.instrument(request.instrumentId);
  if (instrument === null) {
    throw new AppError("INVALID_INPUT", "permanent", `The instrument ${request.instrumentId} is not known.`);
  }
  const { columns, firstN, reason } = await loadCandles(clients.marketData, request, limits);
  return { pinned: { instrument, firstN, lastN: firstN + columns.length - 1, barsReason: reason }, columns };
}
