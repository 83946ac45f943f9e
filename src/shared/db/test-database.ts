import { Redis } from "ioredis";
import { AppError } from "#shared/errors/app-error.ts";
import type { Db } from "./db.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { createPool, createPostgresDb } from "./postgres.ts";

export interface TestDatabase {
  url: string;
  db: Db;
  /** Closes `db` and removes the database, whoever is connected. */
  drop(): Promise<void>;
}

export interface TestRedis {
  url: string;
  /** Unique, without a colon at its end. */
  prefix: string;
  /** Removes all keys that begin with the prefix or with BullMQ's form of it. */
  cleanup(): Promise<void>;
}

const TEMPLATE_LOCK = 7_303_002;

function setting(name: string): string {
  const value = import.meta.env[name];
  if (value === undefined || value === "") {
    throw new AppError(
      "SETTINGS_INVALID",
      "permanent",
      `${name} is not set: integration tests need a server of their own.`,
    );
  }
  return value;
}

function withDatabase(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.toString();
}

function randomName(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

/**
 * A database of this test file's own with all migrations, cloned from a template that is made once for each state of
 * the migrations. Needs R3_TEST_DATABASE_URL, whose user may create databases.
 */
export async function createTestDatabase(options: { maxConnections?: number } = {}): Promise<TestDatabase> {
  const serverUrl = setting("R3_TEST_DATABASE_URL");
  const hash = new Bun.CryptoHasher("sha256");
  for (const migration of await readMigrations()) hash.update(`${migration.name} ${migration.checksum}\n`);
  const template = `r3_template_${hash.digest("hex").slice(0, 16)}`;
  const name = `r3_test_${randomName()}`;
  const admin = createPool(serverUrl, { maxConnections: 1, applicationName: "r3edge-test", idleTimeoutMs: 0 });
  try {
    const connection = await admin.reserve();
    try {
      // Also held for the clone: CREATE DATABASE refuses a template that someone else is cloning or filling.
      await connection`select pg_advisory_lock(${TEMPLATE_LOCK})`;
      const found = await connection`select 1 from pg_database where datname = ${template}`;
      if (found.length === 0) await makeTemplate(connection, serverUrl, template);
      await connection.unsafe(`create database ${name} template ${template}`);
    } finally {
      connection.release();
    }
  } finally {
    // Ends the session, which gives the lock back.
    await admin.end({ timeout: 5 });
  }
  const url = withDatabase(serverUrl, name);
  const db = createPostgresDb(url, { maxConnections: options.maxConnections ?? 10 });
  return {
    url,
    db,
    async drop() {
      await db.close();
      await dropDatabase(serverUrl, name);
    },
  };
}

type Connection = Awaited<ReturnType<ReturnType<typeof createPool>["reserve"]>>;

async function makeTemplate(connection: Connection, serverUrl: string, template: string): Promise<void> {
  const draft = `r3_draft_${randomName()}`;
  await connection.unsafe(`create database ${draft}`);
  try {
    await migrate(withDatabase(serverUrl, draft));
    // The name is given last, so that a template that was cut short is never used.
    await connection.unsafe(`alter database ${draft} rename to ${template}`);
  } catch (error) {
    await connection.unsafe(`drop database if exists ${draft} with (force)`);
    throw error;
  }
}

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  const admin = createPool(serverUrl, { maxConnections: 1, applicationName: "r3edge-test", idleTimeoutMs: 0 });
  try {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
  } finally {
    await admin.end({ timeout: 5 });
  }
}

/** A prefix of this test file's own on the shared server. Needs R3_TEST_REDIS_URL. */
export function testRedis(): TestRedis {
  const url = setting("R3_TEST_REDIS_URL");
  const prefix = `r3test-${randomName()}`;
  return {
    url,
    prefix,
    async cleanup() {
      const redis = new Redis(url, { maxRetriesPerRequest: 1 });
      try {
        for (const pattern of [`${prefix}*`, `{${prefix}*`]) {
          for await (const keys of redis.scanStream({ match: pattern, count: 500 }) as AsyncIterable<string[]>) {
            if (keys.length > 0) await redis.unlink(...keys);
          }
        }
      } finally {
        redis.disconnect();
      }
    },
  };
}
