import { expect } from "bun:test";
import type { AnyElysia } from "elysia";
import { pino } from "pino";
import { type History, readHistory } from "#services/backtest/history.fixture.ts";
import { backtest } from "#services/backtest/index.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { createMemoryWakeups } from "#shared/queue/memory.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import { type StrategyFolder, strategyFolder, threadHostOf } from "#shared/strategy-threads/thread-host.fixture.ts";
import { NOBODY } from "#shared/strategy-threads/watched-thread.ts";
import { type Sweep, type SweepRun, sweepRunSchema, sweepSchema } from "./contract.ts";

/** A sweep of the S&P 500: of its twenty combinations the strategy takes sixteen. */
export const WANTED = {
  strategy: "sma-cross",
  grid: { fast: [3, 5, 8, 13], slow: { from: 5, to: 25, step: 5 } },
  instrumentId: spx.id,
  timeFrame: "1d",
  fromN: 101,
  toN: 700,
  capital: "10000",
  riskPolicy: { sizing: { method: "percent-of-equity", percent: "95" } },
};

/** An answer of the REST. */
export interface Answer {
  status: number;
  body: Sweep & {
    detail?: string;
    errors?: { field: string; message: string }[];
    items: unknown[];
    nextCursor: string;
  };
}

/** Workers of sweeps on a database of a test file's own, over the history of the S&P 500. */
export class SweepWorld {
  /** Runs whose thread ends under them, by their number, for a reason that is nobody's: so often each. */
  readonly ends = new Map<number, number>();
  /** By how much the workers' monotonic clock was moved. */
  aheadMs = 0;
  #queues: TaskQueue[] = [];
  #services: Service[] = [];
  readonly #strategies: StrategyHost;

  private constructor(
    readonly database: TestDatabase,
    readonly history: History,
    readonly folder: StrategyFolder,
  ) {
    this.#strategies = endingUnder(threadHostOf(["strategies", folder.path]), this.ends);
  }

  static async create(): Promise<SweepWorld> {
    return new SweepWorld(await createTestDatabase(), await readHistory(), await strategyFolder());
  }

  /** Starts so many workers anew, each with a queue of its own, as in processes of their own. */
  async serve(workers = 1, settings: Record<string, string> = {}): Promise<void> {
    await this.#stop();
    const { db } = this.database;
    const log = pino({ level: "silent" });
    const wakeups = createMemoryWakeups();
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + this.aheadMs };
    const clients = { marketData: this.history.marketData };
    for (let n = 0; n < workers; n += 1) {
      const queue = createTaskQueue({ db, wakeups, clock: systemClock, log, leaseMs: 600, sweepMs: 100 });
      const given = { db, queue, clients, strategies: this.#strategies, clock, log };
      // The service asks for no other port.
      const service = backtest.create(given as unknown as Deps, backtest.settings.parse(settings));
      await service.start(new AbortController().signal);
      this.#queues.push(queue);
      this.#services.push(service);
    }
  }

  /** GET, or POST where there is a body; null: without one. */
  async call(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const post = {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    };
    const request = new Request(`http://localhost/api/backtest/sweeps${path}`, body === undefined ? {} : post);
    const answer = await ((this.#services[0] ?? expect.unreachable()).routes as AnyElysia).handle(request);
    return { status: answer.status, body: (await answer.json()) as Answer["body"] };
  }

  /** Asks for the sweep above with a change; gives its id. */
  async ask(change: object = {}): Promise<string> {
    const { status, body } = await this.call("", { ...WANTED, ...change });
    expect([status, body.detail]).toEqual([202, undefined]);
    return sweepSchema.parse(body).id;
  }

  async read(id: string): Promise<Sweep> {
    return sweepSchema.parse((await this.call(`/${id}`)).body);
  }

  /** Waits until a sweep is in one of these states. */
  untilState(id: string, ...states: Sweep["state"][]): Promise<Sweep> {
    return until(async () => {
      const sweep = await this.read(id);
      return states.includes(sweep.state) && sweep;
    });
  }

  /** All runs of a sweep, page by page. */
  async runsOf(id: string, query = "", limit = 5): Promise<SweepRun[]> {
    const runs: SweepRun[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const path: string = `/${id}/runs?limit=${limit}${query}${cursor === "" ? "" : `&cursor=${cursor}`}`;
      const { body } = await this.call(path);
      runs.push(...body.items.map((item) => sweepRunSchema.parse(item)));
      cursor = body.nextCursor;
    }
    return runs;
  }

  async close(): Promise<void> {
    await this.#stop();
    await this.#strategies.close();
    await this.folder.remove();
    await this.database.drop();
  }

  async #stop(): Promise<void> {
    for (const service of this.#services) await service.stop();
    for (const queue of this.#queues) await queue.close();
    this.#services = [];
    this.#queues = [];
  }
}

/** The same threads, which end under some runs. */
function endingUnder(host: StrategyHost, ends: Map<number, number>): StrategyHost {
  const thread = host.thread.bind(host);
  host.thread = (module) => {
    const made = thread(module);
    const ask = made.ask.bind(made);
    made.ask = (number, ...asked) => {
      const answer = ask(number, ...asked);
      const left = ends.get(number) ?? 0;
      if (left > 0) {
        ends.set(number, left - 1);
        made.end({ instanceId: NOBODY, told: "It was nobody's doing." });
      }
      return answer;
    };
    return made;
  };
  return host;
}
