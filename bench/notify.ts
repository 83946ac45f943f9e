import Table from "cli-table3";
import { makeDatabase } from "#local/make-database.ts";
import { postJson } from "#local/rest.ts";
import { step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { type AlertSource, openAlertSource } from "./alert-source.ts";
import { quantile } from "./quantile.ts";
import { startAlone } from "./start-alone.ts";

const RECIPIENTS = 100;
/** Of one round; each is a message to each recipient. */
const ALERTS = 100;
const MESSAGES = RECIPIENTS * ALERTS;
const ROUND_WITHIN_MS = 120_000;
/** Where the bare loop posts to. */
const BARE = "/bare";

/** A local webhook that takes everything, and what it has got. */
interface Receiver {
  url: string;
  /** Messages, each counted once. */
  count: number;
  /** Those that came again, as after a lease that was lost. */
  repeats: number;
  lastAtMs: number;
  /** A message that came before one of a smaller number, in words; null: none did. */
  disorder: string | null;
  close(): Promise<void>;
}

function openReceiver(): Receiver {
  const newest = new Map<string, number>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { recipientId, seq } = (await request.json()) as { recipientId: string; seq: number };
      if (request.url.endsWith(BARE)) return new Response("ok");
      const last = newest.get(recipientId) ?? 0;
      if (seq > last + 1) receiver.disorder = `${recipientId} got message ${seq} after ${last}.`;
      if (seq > last) {
        newest.set(recipientId, seq);
        receiver.count += 1;
        receiver.lastAtMs = performance.now();
      } else receiver.repeats += 1;
      return new Response("ok");
    },
  });
  const url = `http://127.0.0.1:${server.port}/`;
  const receiver: Receiver = {
    url,
    count: 0,
    repeats: 0,
    lastAtMs: 0,
    disorder: null,
    close: () => server.stop(true),
  };
  return receiver;
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
      for (let n = 0; n < ALERTS; n += 1) await (await fetch(new URL(BARE, url), { method: "POST", body })).text();
    }),
  );
  return (MESSAGES * 1_000) / (performance.now() - beganMs);
}

async function addRecipients(url: string, receiver: Receiver): Promise<void> {
  const secret = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
  for (let n = 1; n <= RECIPIENTS; n += 1) {
    const channel = { type: "webhook", url: receiver.url, secret };
    await postJson(`${url}/api/notification/recipients`, { name: `recipient ${n}`, channel });
  }
}

/** What a round came to. */
interface Figures {
  messagesPerS: number;
  barePostsPerS: number;
  repeats: number;
}

/** From the raise of the alerts to the last message of them. */
async function playRound(alerts: AlertSource, receiver: Receiver): Promise<Figures> {
  Object.assign(receiver, { count: 0, repeats: 0 });
  const beganMs = performance.now();
  await alerts.raise(ALERTS);
  while (receiver.count < MESSAGES) {
    if (performance.now() - beganMs > ROUND_WITHIN_MS)
      throw new Trouble(`${receiver.count} of ${MESSAGES} messages have arrived.`);
    await Bun.sleep(20);
  }
  const messagesPerS = (MESSAGES * 1_000) / (receiver.lastAtMs - beganMs);
  if (receiver.disorder !== null) throw new Trouble(receiver.disorder);
  return { messagesPerS, barePostsPerS: await barePosts(receiver), repeats: receiver.repeats };
}

async function measure(scratch: Scratch, rounds: number) {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_notify");
  const settings = { DATABASE_URL: databaseUrl, REDIS_URL: servers.redisUrl, R3_PREFIX: "r3-notify" };
  const receiver = openReceiver();
  const url = await step("notification", () => startAlone(scratch, "notification", settings));
  const alerts = await openAlertSource(settings);
  const figures: Figures[] = [];
  try {
    await step(`${RECIPIENTS} recipients`, () => addRecipients(url, receiver));
    for (let round = 1; round <= rounds; round += 1)
      await step(`Round ${round} of ${rounds}`, async (line) => {
        const played = await playRound(alerts, receiver);
        figures.push(played);
        line.say(`${Math.round(played.messagesPerS)} messages a second`);
      });
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
  const table = new Table({
    style: { head: [], border: [] },
    head: ["round", "messages/s", "bare posts/s", "ratio", "repeats"],
  });
  figures.forEach(({ messagesPerS, barePostsPerS, repeats }, index) => {
    table.push([
      index + 1,
      Math.round(messagesPerS).toLocaleString("en"),
      Math.round(barePostsPerS).toLocaleString("en"),
      (messagesPerS / barePostsPerS).toFixed(2),
      repeats,
    ]);
  });
  const median = (of: (one: Figures) => number) => Math.round(quantile(figures.map(of), 0.5));
  const messagesPerS = median((one) => one.messagesPerS);
  const barePostsPerS = median((one) => one.barePostsPerS);
  const repeats = figures.reduce((sum, one) => sum + one.repeats, 0);
  const of = { recipients: RECIPIENTS, messages: MESSAGES, rounds: figures.length };
  process.stdout.write(`${ALERTS} alerts to ${RECIPIENTS} recipients of a local webhook, in order for each\n`);
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(`${JSON.stringify({ messagesPerS, barePostsPerS, repeats, ...of })}\n`);
}
