import { readdir } from "node:fs/promises";
import { AppError } from "#shared/errors/app-error.ts";
import { createPool, createPostgresDb } from "./postgres.ts";
import { databaseError } from "./postgres-errors.ts";

/** One migration file. `number` orders them and is the key of the table of applied ones. */
export interface Migration {
  number: number;
  name: string;
  sql: string;
  /** SHA-256 of the file, hex. */
  checksum: string;
}

/** The engine's own migrations. */
export const MIGRATIONS_FOLDER = `${import.meta.dir}/migrations`;

/** Any number will do, as long as all processes use the same one. */
const MIGRATION_LOCK = 7_303_001;

/** Reads NNNN_name.sql files in order. Two files with one number are an error. */
export async function readMigrations(folder: string = MIGRATIONS_FOLDER): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  const migrations = await Promise.all(
    names.map(async (name): Promise<Migration> => {
      const sql = await Bun.file(`${folder}/${name}`).text();
      return { number: Number(name.slice(0, 4)), name, sql, checksum: checksumOf(sql) };
    }),
  );
  migrations.forEach((migration, index) => {
    if (migrations[index - 1]?.number === migration.number) {
      throw new AppError("INTERNAL", "permanent", `Two migrations have the number of ${migration.name}.`);
    }
  });
  return migrations;
}

function checksumOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

/**
 * Brings the database up to the newest migration and gives the names of those that it applied now. Each runs in a
 * transaction of its own; an advisory lock lets several processes start at once. A file that has changed since it was
 * applied, or an applied one that is missing here, is a SETTINGS_INVALID error that names it.
 */
export async function migrate(url: string, folder: string = MIGRATIONS_FOLDER): Promise<string[]> {
  const migrations = await readMigrations(folder);
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
          number integer primary key,
          name text not null,
          checksum text not null,
          applied_at timestamptz not null default now()
        );`);
      const applied = await connection<{ number: number; name: string; checksum: string }[]>`
        select number, name, checksum from r3_migrations.applied`;
      const open = unapplied(migrations, applied);
      for (const migration of open) {
        const row = `insert into r3_migrations.applied (number, name, checksum)
          values (${migration.number}, '${migration.name}', '${migration.checksum}')`;
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

/** Where the server refuses its first connection the driver's own pool makes another one behind our back, and keeps it. */
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

function unapplied(
  migrations: readonly Migration[],
  applied: readonly { number: number; name: string; checksum: string }[],
): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.number, migration]));
  for (const row of applied) {
    const file = known.get(row.number);
    if (file === undefined) {
      throw changed(
        `The database has the migration ${row.name}, which this version does not know: start a newer version.`,
      );
    }
    if (file.checksum !== row.checksum) {
      throw changed(
        `The migration ${file.name} was changed after it was applied: put the old text back or use a new database.`,
      );
    }
  }
  const done = new Set(applied.map((row) => row.number));
  return migrations.filter((migration) => !done.has(migration.number));
}

function changed(text: string): AppError {
  return new AppError("SETTINGS_INVALID", "permanent", text);
}
