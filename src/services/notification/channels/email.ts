import { createTransport } from "nodemailer";
import { within } from "#shared/clock/within.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { OutgoingMessage, Send, Verdict } from "./channel.ts";
import { type Sending, told } from "./http-post.ts";

/** Sends by a mail server. `url` may hold a password. */
export function createEmail(
  { url, from, address }: { url: string; from: string; address: string },
  { clock, timeoutMs }: Sending,
): Send {
  const secrets = secretsIn(url);
  return async (message, signal) => {
    const transport = createTransport({
      ...serverOf(url),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const ending = within(signal, clock, timeoutMs);
    const late = Promise.withResolvers<never>();
    ending.signal.addEventListener("abort", () => late.reject(new Error(`it did not answer within ${timeoutMs} ms`)));
    try {
      await Promise.race([transport.sendMail(mailOf(message, from, address)), late.promise]);
      return { kind: "sent" };
    } catch (error) {
      return verdictOf(error, secrets);
    } finally {
      ending.release();
      transport.close();
    }
  };
}

/** The parts of a server's URL, as nodemailer takes them. */
function serverOf(text: string) {
  const { protocol, hostname, port, username, password } = new URL(text);
  const secure = protocol === "smtps:";
  const host = hostname.replaceAll(/^\[|\]$/g, "");
  const server = { host, port: port === "" ? (secure ? 465 : 587) : Number(port), secure };
  if (username === "") return server;
  const auth = { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  // A password leaves this machine encrypted, or not at all.
  return { ...server, auth, requireTLS: !secure && !LOOPBACK.test(host) };
}

const LOOPBACK = /^(localhost|127\.[\d.]+|::1)$/;

function secretsIn(text: string): string[] {
  const { password } = new URL(text);
  return [password, decodeURIComponent(password)];
}

function mailOf({ id, content }: OutgoingMessage, from: string, address: string) {
  const { title, text } = content;
  return {
    from,
    to: { name: "", address },
    subject: title,
    text: `${text === "" ? title : text}\n\n#${id}\n`,
    messageId: `<${id}@r3edge>`,
    headers: { "X-R3-Message-Id": id, "Auto-Submitted": "auto-generated" },
  };
}

/** A mail server's answers to these are about the recipient's address, or what it is told. */
const OF_MESSAGE: readonly unknown[] = ["RCPT TO", "DATA"];

/**
 * For good are a mail server's 5xx to an address or a text, and what is no address. What it says against the user, the password or
 * the sender is about the engine's settings: messages wait until these are mended.
 */
function verdictOf(error: unknown, secrets: readonly string[]): Verdict {
  const { responseCode, code, command } = error as { responseCode?: unknown; code?: unknown; command?: unknown };
  const said = told(messageOf(error), secrets);
  const isForGood =
    typeof responseCode === "number" ? responseCode >= 500 && OF_MESSAGE.includes(command) : code === "EENVELOPE";
  if (isForGood) return { kind: "refused", reason: `The mail server refused it: ${said}` };
  return { kind: "later", reason: `The mail server did not take it: ${said}`, retryAfterMs: null };
}
