import { resolve } from "node:path";
import { Glob } from "bun";
import { AppError } from "#shared/errors/app-error.ts";
import { createPool, createPostgresDb } from "./postgres.ts";
import { databaseError } from "./postgres-errors.ts";

/** One migration file. */
export interface Migration {
  /** "0001_bus.sql", or "backtest/0001_tables.sql" of a service: the key of the table of applied ones. */
  name: string;
  sql: string;
  /** SHA-256 of the file, hex. */
  checksum: string;
}

const SOURCES = resolve(import.meta.dir, "../..");
/**
 * Where migrations stand, in the order in which they are applied: those that all share, then the services' own. A shared one may
 * only add: where services' earlier ones were applied before, it comes behind them, and on a fresh database before them.
 */
const PLACES = ["shared/db/migrations", "services/*/migrations"];

/** Any number will do, as long as all processes use the same one. */
const MIGRATION_LOCK = 7_303_001;

/**
 * Reads the NNNN_name.sql files of a tree of sources. A service's tables may build on shared ones, never on another service's.
 * Two files of one folder with one number are an error.
 */
export async function readMigrations(sources: string = SOURCES): Promise<Migration[]> {
  const files = PLACES.flatMap((place) =>
    [...new Glob(`${place}/[0-9][0-9][0-9][0-9]_*.sql`).scanSync(sources)].sort(),
  );
  const migrations = await Promise.all(
    files.map(async (file): Promise<Migration> => {
      const sql = await Bun.file(`${sources}/${file}`).text();
      const name = file.replace(/^(shared\/db|services)\//, "").replace("migrations/", "");
      return { name, sql, checksum: checksumOf(sql) };
    }),
  );
  migrations.forEach(({ name }, index) => {
    if (numberOf(migrations[index - 1]?.name) === numberOf(name))
      throw new AppError("INTERNAL", "permanent", `Two migrations have the number of ${name}.`);
  });
  return migrations;
}

/** "backtest/0001" of "backtest/0001_tables.sql". */
function numberOf(name: string | undefined): string | undefined {
  return name?.split("_")[0];
}

function checksumOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

/**
 * Brings the database up to the newest migration and gives the names of those that it applied now. Each runs in a
 * transaction of its own; an advisory lock lets several processes start at once. A file that has changed since it was
 * applied, or an applied one that is missing here, is a SETTINGS_INVALID error that names it.
 */
export async function migrate(url: string, sources: string = SOURCES): Promise<string[]> {
  const migrations = await readMigrations(sources);
  await refuseAway(url);
  const pool = createPool(url, { maxConnections: 1, applicationName: "r3edge-migrate" });
  try {
    const connection = await pool.reserve();
    try {
      // The lock's wait and a long migration are no faults here.
      await connection`select set_config('lock_timeout', '0', false), set_config('idle_in_transaction_session_timeout', '0', false)`;
      await connection`select pg_advisory_lock(${MIGRATION_LOCK})`;
      await connection.unsafe(`
        create schema if not exists r3_migrations;
        create table if not exists r3_migrations.applied (
          name text primary key,
          checksum text not null,
          applied_at timestamptz not null default now()
        );`);
      const applied = await connection<Omit<Migration, "sql">[]>`
        select name, checksum from r3_migrations.applied`;
      const open = unapplied(migrations, applied);
      for (const migration of open) {
        const row = `insert into r3_migrations.applied (name, checksum)
          values ('${migration.name}', '${migration.checksum}')`;
        // Several statements in one simple query are one transaction of the server.
        await connection.unsafe(`begin;\n${migration.sql}\n;${row};\ncommit;`).catch(async (error: unknown) => {
          await connection.unsafe("rollback").catch(() => undefined);
          throw failed(migration, error);
        });
      }
      return open.map((migration) => migration.name);
    } finally {
      // Closing the session gives the lock back.
      connection.release();
    }
  } catch (error) {
    throw databaseError(error);
  } finally {
    await pool.end({ timeout: 5 });
  }
}

/**
 * Where the server refuses its first connection, the driver's own pool makes another one, which nobody knows of and nobody
 * ends.
 */
async function refuseAway(url: string): Promise<void> {
  const db = createPostgresDb(url, { maxConnections: 1, applicationName: "r3edge-migrate" });
  try {
    await db.ping();
  } finally {
    await db.close();
  }
}

function failed(migration: Migration, error: unknown): unknown {
  const mapped = databaseError(error);
  if (mapped instanceof AppError) return mapped;
  const text = error instanceof Error ? error.message : String(error);
  return new AppError("INTERNAL", "permanent", `The migration ${migration.name} failed: ${text}.`, { cause: error });
}

function unapplied(migrations: readonly Migration[], applied: readonly Omit<Migration, "sql">[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, checksum } of applied) {
    const file = known.get(name);
    if (file === undefined) {
      throw changed(
        `The database has the migration ${name}, which this version does not know: start the version that made it, or use a new database.`,
      );
    }
    if (file.checksum !== checksum) {
      throw changed(
        `The migration ${name} was changed after it was applied: put the old text back or use a new database.`,
      );
    }
  }
  const done = new Set(applied.map(({ name }) => name));
  return migrations.filter(({ name }) => !done.has(name));
}

function changed(text: string): AppError {
  return new AppError("SETTINGS_INVALID", "permanent", text);
}
