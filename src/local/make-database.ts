import postgres from "postgres";
import { migrate } from "#shared/db/migrate.ts";

/** Makes a database with all migrations on a server of our own. Answers its URL. */
export async function makeDatabase(serverUrl: string, name: string): Promise<string> {
  const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined });
  await admin`create database ${admin(name)}`;
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrate(url.href);
  return url.href;
}
