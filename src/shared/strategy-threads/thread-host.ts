import { existsSync, watch } from "node:fs";
import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";
import { type Catalogue, folderOf, readCatalogue, refuseMissing } from "./catalogue.ts";
import type { StrategyInfo } from "./definitions.ts";
import { Generation } from "./generation.ts";
import type { InstanceOptions, StrategyHost, StrategyInstance } from "./strategy-host.ts";
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
/** So often folders are read again that could not be: one that is gone tells nobody that it is back. */
const AGAIN_MS = 1_000;
/** Sets of strategies that are kept though nobody has a instance in them: a session may be between two instances. */
const KEPT = 8;

/**
 * Strategies in worker threads. A thread has one set of source files for its life: after a change new ones are made for
 * what begins, and sessions that run go on in theirs.
 */
class ThreadHost implements StrategyHost {
  /** Newest first. */
  #generations: Generation[] = [];
  /**
   * What may be begun, each strategy with the newest generation that has it. Of a file that fails: what it had last.
   */
  #offered: readonly { info: StrategyInfo; generation: Generation }[] = [];
  /** What could not be taken at the last reading. */
  #faults: readonly string[] = [];
  #loading: Promise<void> | null = null;
  readonly #allThreads = new Set<WatchedThread>();
  #watchers: readonly { close(): void }[] = [];
  #changed: ReturnType<typeof setTimeout> | undefined;
  /** Files have changed since they were read last. */
  #isStale = false;
  #isRereading = false;
  #isClosed = false;
  /** Where the strategies of sessions were made last: their code is there, also where it has changed under its version. */
  readonly #homes = new Map<string, Generation>();

  constructor(private readonly options: ThreadHostOptions) {}

  load(): Promise<void> {
    this.#loading ??= this.#begin().catch((error: unknown) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  list(): readonly StrategyInfo[] {
    return this.#offered.map(({ info }) => info);
  }

  faults(): readonly string[] {
    return this.#faults;
  }

  find(name: string): StrategyInfo | null {
    return this.list().find((info) => info.name === name) ?? null;
  }

  async check(request: { strategy: string; params?: unknown }): Promise<StrategyCheck> {
    await this.load();
    const offer = this.#offered.find(({ info }) => info.name === request.strategy);
    if (offer !== undefined) return offer.generation.check(offer.info, request.params);
    return { kind: "unknown-strategy", known: this.list().map(({ name }) => name), faults: [...this.#faults] };
  }

  async open(wanted: InstanceOptions): Promise<StrategyInstance> {
    await this.load();
    const { sessionId, snapshot } = wanted;
    // What begins anew begins with the newest.
    const home = snapshot === null ? undefined : this.#homes.get(sessionId);
    for (const generation of home === undefined ? this.#generations : [home, ...this.#generations]) {
      const info = generation.catalogue.strategies.find(({ name }) => name === wanted.strategy);
      if (info?.version !== wanted.version) continue;
      this.#homes.set(sessionId, generation);
      return generation.open(info, wanted);
    }
    const info = this.find(wanted.strategy);
    if (info === null) throw strategyFailed(this.#notHere(wanted.strategy));
    const versions = `version ${wanted.version}, but here is ${info.version}`;
    throw strategyFailed(`The session was made for "${wanted.strategy}" in ${versions}.`);
  }

  thread(module: URL): WatchedThread {
    const { log } = this.options;
    const onPrint = (_instanceId: number, text: string) => log.info({ text }, "a strategy printed");
    return new WatchedThread({ ...this.options, module, allThreads: this.#allThreads, onPrint });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#changed);
    for (const watcher of this.#watchers) watcher.close();
    for (const generation of this.#generations) generation.close();
    this.#generations = [];
  }

  #notHere(name: string): string {
    return [`There is no strategy "${name}" here.`, ...this.#faults].join(" ");
  }

  async #begin(): Promise<void> {
    await this.#read();
    if (this.options.reload) this.#watch();
  }

  /** From now on, whichever folders stand under these names: a watch goes with its folder. */
  #watch(): void {
    const { folders } = this.options;
    for (const folder of folders) refuseMissing(folder);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = folders.map((folder) =>
      watch(folderOf(folder), (_event, file) => this.#onFileChange(folder, file)),
    );
  }

  #onFileChange(folder: string, file: string | null): void {
    if (file?.endsWith(".ts") === false && existsSync(folderOf(folder))) return;
    this.#readIn(QUIET_MS);
  }

  #readIn(ms: number): void {
    clearTimeout(this.#changed);
    this.#changed = setTimeout(() => {
      this.#isStale = true;
      void this.#readWhileStale();
    }, ms);
  }

  /** One reading after the other: of two at once the older one could end last. */
  async #readWhileStale(): Promise<void> {
    if (this.#isRereading) return;
    this.#isRereading = true;
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      await this.#readAgain();
    }
    this.#isRereading = false;
  }

  /** What cannot be taken leaves the strategies as they were. */
  async #readAgain(): Promise<void> {
    const { log } = this.options;
    const before = new Map(this.list().map((info) => [info.name, info]));
    try {
      this.#watch();
      await this.#read();
    } catch (error) {
      if (this.#isClosed) return;
      const told = messageOf(error);
      if (!this.#faults.includes(told)) {
        log.error({ error: told }, "changed strategies are not taken; those of before are used");
      }
      this.#faults = [told];
      this.#readIn(AGAIN_MS);
      return;
    }
    const infos = this.list();
    const told = (of: readonly StrategyInfo[]) => of.map(({ name, version }) => `${name} ${version}`);
    const changed = told(infos.filter(({ name, version }) => before.get(name)?.version !== version));
    log.info({ changed }, "strategies loaded anew, for sessions and backtests that begin from now on");
    const unsaid = infos.filter(({ name, version, texts }) => {
      const old = before.get(name);
      return old?.version === version && !Bun.deepEquals(old.texts, texts);
    });
    if (unsaid.length === 0) return;
    log.warn(
      { changed: told(unsaid) },
      "strategies have changed under their old version: sessions that run go on with the old code",
    );
  }

  async #read(): Promise<void> {
    const { folders, log } = this.options;
    const generation = new Generation({ ...this.options, allThreads: this.#allThreads });
    let catalogue: Catalogue;
    try {
      catalogue = await readCatalogue(folders, {
        inspect: (file) => generation.inspect(file),
        clock: this.options.clock,
        before: this.#generations[0]?.catalogue.strategies ?? null,
      });
    } catch (error) {
      generation.close();
      throw error;
    }
    for (const { told } of catalogue.faults) log.error({ fault: told }, "a file of strategies cannot be loaded");
    generation.catalogue = catalogue;
    if (this.#isClosed) {
      generation.close();
      return;
    }
    this.#generations.unshift(generation);
    this.#faults = catalogue.faults.map(({ told }) => told);
    this.#offer(generation);
    const offered = new Set(this.#offered.map((offer) => offer.generation));
    const over = this.#generations.slice(KEPT).filter((old) => old.isEmpty && !offered.has(old));
    for (const old of over) old.close();
    this.#generations = this.#generations.filter((one) => !over.includes(one));
    for (const [sessionId, home] of this.#homes) if (over.includes(home)) this.#homes.delete(sessionId);
  }

  #offer(generation: Generation): void {
    const { strategies, faults } = generation.catalogue;
    const names = new Set(strategies.map(({ name }) => name));
    const failed = new Set(faults.map(({ file }) => file));
    const kept = this.#offered.filter(({ info }) => failed.has(info.file) && !names.has(info.name));
    this.#offered = [...strategies.map((info) => ({ info, generation })), ...kept];
  }
}

/** Makes the host. Nothing runs before it is asked. */
export function createThreadHost(options: ThreadHostOptions): StrategyHost {
  if (options.threads < 1) throw new AppError("INTERNAL", "permanent", "Strategies need a thread.");
  return new ThreadHost(options);
}
