import { afterEach, beforeEach, expect } from "bun:test";
import type { StrategyHost } from "./strategy-host.ts";
import { bodyOf, type StrategyFolder, strategyFolder, threadHostOf } from "./thread-host.fixture.ts";

/** What each test of a file has for itself. */
export interface StrategiesOfTest {
  /** With one strategy, `good`, that wants to be long. */
  readonly folder: StrategyFolder;
  /** Over the folder. */
  readonly host: StrategyHost;
  /** From now on the host is another one over the folder, made with these options. */
  hostWith(more: Parameters<typeof threadHostOf>[1]): StrategyHost;
}

/** Makes a folder of strategies and a host over it before each test of a file, and takes both away after it. */
export function strategiesOfEachTest(): StrategiesOfTest {
  let folder: StrategyFolder | undefined;
  const hosts: StrategyHost[] = [];
  const at: StrategiesOfTest = {
    get folder() {
      return folder ?? expect.unreachable();
    },
    get host() {
      return hosts.at(-1) ?? expect.unreachable();
    },
    hostWith(more) {
      const host = threadHostOf([at.folder.path], more);
      hosts.push(host);
      return host;
    },
  };
  beforeEach(async () => {
    folder = await strategyFolder();
    await folder.write("good", bodyOf("context.wantLong()"));
    at.hostWith({});
  });
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.close();
    await at.folder.remove();
  });
  return at;
}
