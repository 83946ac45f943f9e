import process from "node:process";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { barOf, bodyOf, instanceOptionsOf, show, strategyFolder, threadHostOf } from "./thread-host.fixture.ts";
import { type ThreadEnd, WatchedThread } from "./watched-thread.ts";

// A process of its own: in the test runner's, errors that nobody catches go to the runner and not to the thread's handlers.

const said = (work: Promise<unknown>) => work.then(() => "nothing", messageOf);

/** A strategy that fails late, and one that is in the same thread. */
async function lateTurns(): Promise<string[]> {
  const folder = await strategyFolder();
  await folder.write("good", bodyOf("context.wantLong()"));
  await folder.write("rejects", bodyOf('void (async () => { await null; throw new Error("too late"); })();'));
  await folder.write("nothing", bodyOf("void Promise.reject(undefined);"));
  await folder.write("odd", bodyOf("void Promise.reject(new Proxy(new Error(), { get: () => 1 }));"));
  await folder.write("wishes", bodyOf("void Promise.resolve().then(() => context.wantLong());"));
  const host = threadHostOf([folder.path]);
  const heard: string[] = [];
  const good = await host.open(instanceOptionsOf("good"));
  for (const name of ["rejects", "wishes", "nothing", "odd"]) {
    const bad = await host.open(instanceOptionsOf(name));
    heard.push(await said(show(bad, barOf(1))), await said(show(good, barOf(heard.length + 1))));
  }
  await host.close();
  await folder.remove();
  return heard;
}

/** How a thread ends that was asked for these instances, the last of which leaves a timer that throws. */
async function strayEnd(...instances: number[]): Promise<ThreadEnd | null> {
  const thread = new WatchedThread({
    module: new URL("./stray-thread.fixture.ts", import.meta.url),
    limits: { barMs: 10_000, slowMs: 10_000, memoryBytes: 5e8 },
    clock: systemClock,
    processBytes: () => process.memoryUsage.rss(),
    allThreads: new Set(),
  });
  for (const instance of instances) await thread.ask(instance, instance === instances.at(-1) ? "throw late" : "");
  return until(() => thread.ended);
}

const heard = { turns: await lateTurns(), own: await strayEnd(7), shared: await strayEnd(8, 7) };
process.stdout.write(JSON.stringify(heard));
