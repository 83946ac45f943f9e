import { kill, pid, stdout } from "node:process";
import { pino } from "pino";
import { createPaperExchange } from "#services/paper-exchange/service.ts";
import { paperExchangeSettings } from "#services/paper-exchange/settings.ts";
import { systemClock } from "#shared/clock/system.ts";

/**
 * A venue in a process of its own: `settings` as JSON, then the number of commits after which it kills itself at the
 * failpoint (0: never). Prints its port.
 */
const [settings = "{}", commits = "0"] = Bun.argv.slice(2);
let left = Number(commits);
const service = createPaperExchange(
  {
    clock: systemClock,
    log: pino({ level: "silent" }),
    failpoints: {
      hit() {
        left -= 1;
        if (left === 0) kill(pid, "SIGKILL");
      },
    },
  },
  paperExchangeSettings.parse(JSON.parse(settings)),
);
await service.start(new AbortController().signal);
service.routes?.listen({ port: 0, hostname: "127.0.0.1" });
stdout.write(`${service.routes?.server?.port}\n`);
