import { SMTPServer } from "smtp-server";

/** A local mail server of a test. */
export interface MailServer {
  /** Of the server, with the user and the password that it takes. */
  url: string;
  port: number;
  /** What it has taken, as it came: headers, an empty line, the text. */
  mails: string[];
  /** With what it refuses a recipient, a sender, a text; null: it takes all. */
  refuses: number | null;
  refusesSender: number | null;
  refusesText: number | null;
  close(): Promise<void>;
}

export const PASSWORD = "a password of the tests";

/** Starts a mail server that takes all from its user. */
export async function openMailServer(): Promise<MailServer> {
  const mails: string[] = [];
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    onAuth({ username, password }, _session, done) {
      if (username === "engine" && password === PASSWORD) done(null, { user: username });
      else done(new Error("Not known here"));
    },
    onMailFrom(_address, _session, done) {
      if (mail.refusesSender === null) done();
      else done(Object.assign(new Error("Not from there"), { responseCode: mail.refusesSender }));
    },
    onRcptTo(_address, _session, done) {
      if (mail.refuses === null) done();
      else done(Object.assign(new Error("Not here"), { responseCode: mail.refuses }));
    },
    onData(stream, _session, done) {
      const parts: Buffer[] = [];
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("end", () => {
        if (mail.refusesText !== null) {
          done(Object.assign(new Error("Not that"), { responseCode: mail.refusesText }));
          return;
        }
        mails.push(Buffer.concat(parts).toString());
        done();
      });
    },
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const address = server.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const mail: MailServer = {
    url: `smtp://engine:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`,
    port,
    mails,
    refuses: null,
    refusesSender: null,
    refusesText: null,
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
  return mail;
}
