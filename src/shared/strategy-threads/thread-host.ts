import { watch } from "node:fs";
import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";
import { type Catalogue, folderOf, readCatalogue } from "./catalogue.ts";
import type { StrategyInfo } from "./definitions.ts";
import { Generation } from "./generation.ts";
import type { Seat, Seating, StrategyHost } from "./strategy-host.ts";
import { strategyFailed, type ThreadLimits, WatchedThread } from "./watched-thread.ts";

export interface ThreadHostOptions {
  /** Folders of strategies; relative ones are the engine's own. */
  folders: readonly string[];
  /** Threads that sessions share. */
  threads: number;
  limits: ThreadLimits;
  /** Whether changed files are loaded anew for what begins from then on. */
  reload: boolean;
  clock: Clock;
  log: Logger;
  /** Memory of the whole process, in bytes. */
  processBytes: () => number;
}

/** An editor writes a file in several steps. */
const QUIET_MS = 100;
/** Sets of strategies that running sessions may still be at. */
const KEPT = 8;

/**
 * Strategies in worker threads. A thread has one set of source files for its life: after a change new ones are made for
 * what begins, and sessions that run go on in theirs.
 */
class ThreadHost implements StrategyHost {
  /** Newest first. */
  #generations: Generation[] = [];
  #loading: Promise<void> | null = null;
  readonly #crowd = new Set<WatchedThread>();
  readonly #watchers: { close(): void }[] = [];
  #changed: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: ThreadHostOptions) {}

  load(): Promise<void> {
    this.#loading ??= this.#begin().catch((error: unknown) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  list(): readonly StrategyInfo[] {
    return this.#newest?.catalogue.strategies ?? [];
  }

  find(name: string): StrategyInfo | null {
    return this.list().find((info) => info.name === name) ?? null;
  }

  async check(request: { strategy: string; params?: unknown }): Promise<StrategyCheck> {
    await this.load();
    const info = this.find(request.strategy);
    if (info === null) return { kind: "unknown-strategy", known: this.list().map(({ name }) => name) };
    return (this.#newest as Generation).check(info, request.params);
  }

  async open(seating: Seating): Promise<Seat> {
    await this.load();
    for (const generation of this.#generations) {
      const info = generation.catalogue.strategies.find(({ name }) => name === seating.strategy);
      if (info?.version === seating.version) return generation.open(info, seating);
    }
    const info = this.find(seating.strategy);
    if (info === null) throw strategyFailed(this.#notHere(seating.strategy));
    const versions = `version ${seating.version}, but here is ${info.version}`;
    throw strategyFailed(`The session was made for "${seating.strategy}" in ${versions}.`);
  }

  thread(module: URL): WatchedThread {
    const { log } = this.options;
    const onPrint = (_seat: number, text: string) => log.info({ text }, "a strategy printed");
    return new WatchedThread({ ...this.options, module, crowd: this.#crowd, onPrint });
  }

  async close(): Promise<void> {
    clearTimeout(this.#changed);
    for (const watcher of this.#watchers) watcher.close();
    for (const generation of this.#generations) generation.close();
    this.#generations = [];
  }

  get #newest(): Generation | undefined {
    return this.#generations[0];
  }

  #notHere(name: string): string {
    const faults = this.#newest?.catalogue.faults ?? [];
    return [`There is no strategy "${name}" here.`, ...faults].join(" ");
  }

  async #begin(): Promise<void> {
    await this.#read();
    if (!this.options.reload) return;
    for (const folder of this.options.folders) {
      this.#watchers.push(watch(folderOf(folder), (_event, file) => this.#heard(file)));
    }
  }

  #heard(file: string | null): void {
    if (file !== null && !file.endsWith(".ts")) return;
    clearTimeout(this.#changed);
    this.#changed = setTimeout(() => void this.#readAgain(), QUIET_MS);
  }

  /** What cannot be taken leaves the strategies as they were. */
  async #readAgain(): Promise<void> {
    const { log } = this.options;
    const before = this.list();
    try {
      await this.#read();
    } catch (error) {
      log.error({ error: messageOf(error) }, "changed strategies are not taken; those of before are used");
      return;
    }
    const versions = (infos: readonly StrategyInfo[]) => infos.map(({ name, version }) => `${name} ${version}`);
    const strategies = versions(this.list()).filter((one) => !versions(before).includes(one));
    log.info({ changed: strategies }, "strategies loaded anew, for sessions and backtests that begin from now on");
  }

  async #read(): Promise<void> {
    const { folders, log } = this.options;
    const generation = new Generation({ ...this.options, crowd: this.#crowd });
    let catalogue: Catalogue;
    try {
      catalogue = await readCatalogue(folders, (file) => generation.inspect(file));
    } catch (error) {
      generation.close();
      throw error;
    }
    for (const fault of catalogue.faults) log.error({ fault }, "a file of strategies is left out");
    generation.catalogue = catalogue;
    this.#generations.unshift(generation);
    for (const old of this.#generations.splice(KEPT)) old.close();
  }
}

/** Makes the host. Nothing runs before it is asked. */
export function createThreadHost(options: ThreadHostOptions): StrategyHost {
  if (options.threads < 1) throw new AppError("INTERNAL", "permanent", "Strategies need a thread.");
  return new ThreadHost(options);
}
