import { Trouble } from "#local/say.ts";
import type { PostgresServer } from "#local/servers.ts";
import type { Sql } from "#shared/db/db.ts";
import { migrate } from "#shared/db/migrate.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import type { DemoRun } from "./demo-run.ts";

/** Databases are made and dropped by it, which takes a slow disk its time. */
const TIMEOUT_MS = 60_000;

async function asked<Answer>(url: string, ask: (sql: Sql) => Promise<Answer>): Promise<Answer> {
  const db = createPostgresDb(url, { maxConnections: 1, timeoutMs: TIMEOUT_MS });
  try {
    return await ask(db.sql);
  } finally {
    await db.close();
  }
}

interface SessionRow {
  id: string;
  name: string;
  account_id: string;
  state: string;
}

/** Every session in a database, in the order of creation. Empty also where nothing was migrated. */
function sessionsIn(url: string): Promise<SessionRow[]> {
  return asked(url, async (sql) => {
    const [table] = await sql`select to_regclass('reference.sessions') is not null as there`;
    if (table?.["there"] !== true) return [];
    return await sql<SessionRow[]>`
      select id, session ->> 'name' as name, account_id, state from reference.sessions order by created_at_ms`;
  });
}

/** The databases of runs on a Postgres of our own. */
async function runDatabases(url: string): Promise<string[]> {
  const found = await asked(
    url,
    (sql) => sql<{ datname: string }[]>`select datname from pg_database where datname like 'r3\\_demo%'`,
  );
  return found.map(({ datname }) => datname);
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/**
 * The names of the sessions that a person has made: on a Postgres of our own a new demo drops the databases of those before,
 * and them with it.
 */
export async function ownSessions(
  { databaseUrl, ownPostgres }: PostgresServer,
  found: DemoRun | null,
): Promise<string[]> {
  if (!ownPostgres) return [];
  const names: string[] = [];
  for (const database of await runDatabases(databaseUrl)) {
    const sessions = await sessionsIn(withDatabase(databaseUrl, database));
    const others = sessions.filter(({ id, state }) => id !== found?.sessionId && state !== "DELETED");
    names.push(...others.map(({ name }) => name));
  }
  return names;
}

/**
 * A database that DATABASE_URL names is used as it is, and must not be another run's: its sessions would start here, on
 * accounts that are not known. `run` null: one that is to be begun.
 */
export async function refuseOtherRuns(
  { databaseUrl, ownPostgres }: PostgresServer,
  run: DemoRun | null,
): Promise<void> {
  if (ownPostgres) return;
  const sessions = await sessionsIn(databaseUrl);
  // Beside the demo's there may be a person's own.
  if (sessions.length > 0 && !sessions.some(({ account_id }) => account_id === run?.id))
    throw new Trouble(
      "The database that DATABASE_URL names holds sessions of another demo or of yours; give a new demo a database of its own.",
    );
}

/** Makes the run's database and migrates it. On a Postgres of our own each run has one of its own, and those of runs before it go. */
export async function prepareDatabase({ databaseUrl, ownPostgres }: PostgresServer, run: DemoRun): Promise<string> {
  const name = `r3_${run.id}`;
  const url = ownPostgres ? withDatabase(databaseUrl, name) : databaseUrl;
  if (ownPostgres) {
    const found = await runDatabases(databaseUrl);
    await asked(databaseUrl, async (sql) => {
      for (const other of found) if (other !== name) await sql`drop database ${sql(other)} with (force)`;
      if (!found.includes(name)) await sql`create database ${sql(name)}`;
    });
  }
  await migrate(url);
  return url;
}
