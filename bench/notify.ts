import { join } from "node:path";
import Table from "cli-table3";
import { isReady } from "#demo/engine.ts";
import { makeDatabase } from "#local/make-database.ts";
import { freePort } from "#local/ports.ts";
import { postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { openAlertSource } from "./alert-source.ts";
import { quantile } from "./quantile.ts";

const RECIPIENTS = 100;
/** Of one round; each is a message to each recipient. */
const ALERTS = 100;
const ROUND_WITHIN_MS = 120_000;

/** What a receiver got. */
interface Receiver {
  url: string;
  /** The numbers of the messages that a recipient got, in the order of their arrival. */
  numbers: Map<string, number[]>;
  count: number;
  lastAtMs: number;
  close(): Promise<void>;
}

/** A webhook that takes everything. */
function openReceiver(): Receiver {
  const numbers = new Map<string, number[]>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { recipientId, seq } = (await request.json()) as { recipientId: string; seq: number };
      const known = numbers.get(recipientId);
      if (known === undefined) numbers.set(recipientId, [seq]);
      else known.push(seq);
      receiver.count += 1;
      receiver.lastAtMs = performance.now();
      return new Response("ok");
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  const receiver: Receiver = { url, numbers, count: 0, lastAtMs: 0, close: () => server.stop(true) };
  return receiver;
}

/** The service alone, in a process of its own. */
async function startNotification({ supervisor, env }: Scratch, settings: Record<string, string>): Promise<string> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await supervisor.start({
    name: "notification",
    command: [process.execPath, join(ROOT, "bin/run.ts"), "notification"],
    cwd: ROOT,
    env: { ...env, ...settings, R3_HTTP_PORT: String(port), R3_LOG_LEVEL: "warn" },
    stopSignal: "SIGTERM",
    graceMs: 12_000,
    ready: (pid) => isReady(url, pid),
    readyWithinMs: 60_000,
  });
  return url;
}

/** Posts a second that a bare loop comes to: the same bodies to the same receiver, one at a time for each recipient. */
async function barePosts({ url }: Receiver): Promise<number> {
  const data = { code: "BENCH", scope: "topic:0" };
  const content = {
    kind: "alert",
    severity: "info",
    title: "info: BENCH (topic:0)",
    text: "So.",
    atMs: Date.now(),
    data,
  };
  const body = JSON.stringify({ id: crypto.randomUUID(), recipientId: "bare", seq: 1, ...content });
  const beganMs = performance.now();
  await Promise.all(
    Array.from({ length: RECIPIENTS }, async () => {
      for (let n = 0; n < ALERTS; n += 1) await (await fetch(url, { method: "POST", body })).text();
    }),
  );
  return (RECIPIENTS * ALERTS * 1_000) / (performance.now() - beganMs);
}

/** Each number once, in order, from 1. */
function expectInOrder({ numbers }: Receiver, count: number): void {
  for (const [recipientId, got] of numbers) {
    const at = got.findIndex((seq, index) => seq !== index + 1);
    if (at >= 0)
      throw new Trouble(`Message ${at + 1} of ${recipientId} is number ${got[at]}: out of order, or repeated.`);
    if (got.length !== count) throw new Trouble(`${recipientId} got ${got.length} messages of ${count}.`);
  }
}

async function measure(scratch: Scratch, rounds: number) {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_notify");
  const settings = { DATABASE_URL: databaseUrl, REDIS_URL: servers.redisUrl, R3_PREFIX: "r3-notify" };
  const receiver = openReceiver();
  const url = await step("notification", () => startNotification(scratch, settings));
  const alerts = await openAlertSource(settings);
  const figures: { messagesPerS: number; barePostsPerS: number }[] = [];
  try {
    await step(`${RECIPIENTS} recipients`, async () => {
      const secret = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
      for (let n = 0; n < RECIPIENTS; n += 1)
        await postJson(`${url}/api/notification/recipients`, {
          name: `recipient ${n}`,
          channel: { type: "webhook", url: receiver.url, secret },
        });
    });
    for (let round = 1; round <= rounds; round += 1) {
      await step(`Round ${round} of ${rounds}`, async (line) => {
        receiver.count = 0;
        const beganMs = performance.now();
        await alerts.raise(ALERTS);
        while (receiver.count < RECIPIENTS * ALERTS) {
          if (performance.now() - beganMs > ROUND_WITHIN_MS)
            throw new Trouble(`${receiver.count} of ${RECIPIENTS * ALERTS} messages have arrived.`);
          await Bun.sleep(20);
        }
        const messagesPerS = (receiver.count * 1_000) / (receiver.lastAtMs - beganMs);
        expectInOrder(receiver, round * ALERTS);
        figures.push({ messagesPerS, barePostsPerS: await barePosts(receiver) });
        receiver.numbers.delete("bare");
        line.say(`${Math.round(messagesPerS)} messages a second`);
      });
    }
  } finally {
    await alerts.close();
    await receiver.close();
  }
  return figures;
}

/** Messages a second from the raise of alerts to a local webhook, each to 100 recipients. */
export async function benchNotify({ rounds }: { rounds: number }): Promise<void> {
  const place = { prefix: "r3edge-notify-", command: "bench notify" };
  const figures = await inScratch(place, (scratch) => measure(scratch, rounds));
  const table = new Table({ style: { head: [], border: [] }, head: ["round", "messages/s", "bare posts/s", "ratio"] });
  figures.forEach(({ messagesPerS, barePostsPerS }, index) => {
    table.push([
      index + 1,
      Math.round(messagesPerS).toLocaleString("en"),
      Math.round(barePostsPerS).toLocaleString("en"),
      (messagesPerS / barePostsPerS).toFixed(2),
    ]);
  });
  const median = (of: (one: (typeof figures)[number]) => number) => Math.round(quantile(figures.map(of), 0.5));
  const messagesPerS = median((one) => one.messagesPerS);
  const barePostsPerS = median((one) => one.barePostsPerS);
  const messages = RECIPIENTS * ALERTS;
  process.stdout.write(`${ALERTS} alerts to ${RECIPIENTS} recipients of a local webhook, each in order and once\n`);
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(
    `${JSON.stringify({ messagesPerS, barePostsPerS, recipients: RECIPIENTS, messages, rounds: figures.length })}\n`,
  );
}
