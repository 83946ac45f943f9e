import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import { end, forget, identityOf, type ProcessRecord, remember, signal } from "./process-record.ts";
import { Trouble } from "./say.ts";

/** A process to be kept alive. */
export interface Program {
  name: string;
  command: string[];
  cwd?: string;
  env: Record<string, string>;
  /** What is to be put right before each start. Must not throw. */
  beforeStart?(): void;
  /** The unprivileged user it runs as, where the supervisor is root. */
  user?: { uid: number; gid: number };
  stopSignal: ProcessRecord["stopSignal"];
  /** How long it may take to end before it is killed. */
  graceMs: number;
  /** Whether it, the process with this id and no other one at its port, takes work. Absent: once it has ended well. */
  ready?(pid: number): Promise<boolean>;
  readyWithinMs: number;
  /** What it starts does not end with it, and is to be ended too. */
  group?: boolean;
  /** It has an end of its own: with exit code 0 it is not started again. */
  ends?: boolean;
}

/** What happened to a program after its first start. */
export interface ProgramEvent {
  name: string;
  what: "died" | "restarted";
  detail: string;
}

const RESTART: Backoff = { firstMs: 50, longestMs: 5_000 };
/** One that ran this long counts as healthy: its next restart is prompt again. */
const HEALTHY_AFTER_MS = 10_000;

interface Kept {
  program: Program;
  rank: number;
  child: ChildProcess | null;
  record: ProcessRecord | null;
  /** Deaths in a row, none of them after it had run for long. */
  deaths: number;
  startedAtMs: number;
  /** How its process ended last. */
  end: string;
  timer: Timer | null;
  /** It has taken work once: before, its end says that it cannot be started, and starting it again would not help. */
  started: boolean;
  /** It is being ended, or has ended by itself as it should: it is not started again. */
  ending: boolean;
}

/** The last lines of a log, for the sentence that says why a program did not start. */
export function lastLines(file: string, count = 5): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n");
  } catch {
    return "";
  }
}

/**
 * Starts programs in order, each once the one before takes work, restarts what dies with growing pauses, and ends all in
 * reverse order. Each runs in a process group of its own, so that Ctrl-C reaches the supervisor alone.
 */
export class Supervisor {
  private readonly kept = new Map<string, Kept>();
  private stopping = false;

  constructor(
    private readonly folders: { pids: string; logs: string },
    private readonly onEvent: (event: ProgramEvent) => void,
  ) {}

  /**
   * Starts a program and waits until it takes work, or has done it. Throws a Trouble with the end of its log where it does
   * not.
   */
  async start(program: Program): Promise<void> {
    if (this.stopping) throw new Trouble("Stopped.");
    const kept: Kept = {
      program,
      rank: this.kept.size,
      child: null,
      record: null,
      deaths: 0,
      startedAtMs: 0,
      end: "",
      timer: null,
      started: false,
      ending: false,
    };
    this.kept.set(program.name, kept);
    this.launch(kept, true);
    const untilMs = performance.now() + program.readyWithinMs;
    for (;;) {
      kept.started = kept.record !== null && (await program.ready?.(kept.record.pid)) === true;
      if (this.stopping) throw new Trouble("Stopped.");
      if (kept.ending && program.ends === true) return;
      if (kept.child === null)
        throw new Trouble(
          this.whyNot(kept, `${program.ready === undefined ? "failed" : "ended while starting"} (${kept.end})`),
        );
      if (kept.started) return;
      if (performance.now() > untilMs)
        throw new Trouble(
          this.whyNot(
            kept,
            `did not ${program.ready === undefined ? "end" : "take work"} within ${program.readyWithinMs / 1_000} s`,
          ),
        );
      await Bun.sleep(20);
    }
  }

  /** The process id of a program. Null: it is being restarted, or was never started. */
  pidOf(name: string): number | null {
    return this.kept.get(name)?.record?.pid ?? null;
  }

  logOf(name: string): string {
    return join(this.folders.logs, `${name}.log`);
  }

  /** Kills a program where it stands; it is restarted as if it had died by itself. `whileDead` runs in between. */
  kill(name: string, by: NodeJS.Signals = "SIGKILL", whileDead: () => void = () => undefined): boolean {
    const kept = this.kept.get(name);
    if (kept === undefined || kept.record === null || kept.child === null) return false;
    kept.child.once("exit", whileDead);
    signal(kept.record.pid, by);
    return true;
  }

  /** Ends one program and no longer keeps it. */
  async end(name: string): Promise<void> {
    const kept = this.kept.get(name);
    if (kept === undefined) return;
    // It stays known until it is gone: whoever wants everything stopped at once has to find it.
    kept.ending = true;
    if (kept.timer !== null) clearTimeout(kept.timer);
    const { record } = kept;
    if (record !== null) await end(record, kept.program.graceMs);
    forget(this.folders.pids, name);
    this.kept.delete(name);
  }

  /** Ends everything in reverse order of its start. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const name of [...this.kept.keys()].toReversed()) await this.end(name);
  }

  /** Ends everything at once, for a person who does not want to wait. Postgres shuts down immediately, and so leaves no shared memory. */
  async stopNow(): Promise<void> {
    this.stopping = true;
    const records = [...this.kept.values()].map(({ record }) => record).filter((record) => record !== null);
    for (const { name, pid, group } of records)
      signal(group === true ? -pid : pid, name === "postgres" ? "SIGQUIT" : "SIGKILL");
    await Promise.all(records.map((record) => end({ ...record, stopSignal: "SIGTERM" }, 3_000)));
    for (const record of records) forget(this.folders.pids, record.name);
  }

  private whyNot(kept: Kept, what: string): string {
    const log = this.logOf(kept.program.name);
    const lines = lastLines(log);
    return `${kept.program.name} ${what}; ${lines === "" ? `${log} is empty.` : `the end of ${log} says:\n${lines}`}`;
  }

  private launch(kept: Kept, first: boolean): void {
    const { program } = kept;
    const [command, ...args] = program.command;
    if (command === undefined) throw new Error(`${program.name} has no command.`);
    program.beforeStart?.();
    const log = openSync(this.logOf(program.name), first ? "w" : "a");
    const child = spawn(command, args, {
      cwd: program.cwd,
      env: program.env,
      detached: true,
      stdio: ["ignore", log, log],
      ...program.user,
    });
    closeSync(log);
    kept.child = child;
    kept.startedAtMs = performance.now();
    const gone = (detail: string): void => {
      if (kept.child !== child) return;
      kept.child = null;
      kept.record = null;
      kept.end = detail;
      if (kept.started && !this.stopping && !kept.ending) this.restartLater(kept, detail);
    };
    child.once("error", (error) => gone(error.message));
    child.once("exit", (code, by) => {
      if (program.ends === true && code === 0) {
        kept.ending = true;
        this.kept.delete(program.name);
        forget(this.folders.pids, program.name);
      }
      gone(by === null ? `exit code ${code}` : by);
    });
    if (child.pid === undefined) return;
    const identity = identityOf(child.pid);
    if (identity === null) return;
    const { name, stopSignal, group = false } = program;
    kept.record = { name, pid: child.pid, identity, stopSignal, rank: kept.rank, group };
    remember(this.folders.pids, kept.record);
  }

  private restartLater(kept: Kept, detail: string): void {
    if (performance.now() - kept.startedAtMs > HEALTHY_AFTER_MS) kept.deaths = 0;
    kept.deaths += 1;
    const pauseMs = backoffMs(RESTART, kept.deaths);
    this.onEvent({ name: kept.program.name, what: "died", detail: `${detail}; restart in ${pauseMs} ms` });
    kept.timer = setTimeout(() => {
      kept.timer = null;
      this.launch(kept, false);
      this.onEvent({ name: kept.program.name, what: "restarted", detail: `process ${kept.record?.pid ?? "none"}` });
    }, pauseMs);
  }
}
