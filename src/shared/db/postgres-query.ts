import type postgres from "postgres";
import { databaseError } from "./postgres-errors.ts";

/** What a statement of the driver has beside its promise: how it is sent, and how it ends. */
export interface DriverQuery {
  handler: (query: DriverQuery) => void;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  catch(handler: () => void): unknown;
}

function isDriverQuery(value: unknown): value is DriverQuery {
  return typeof value === "object" && value !== null && "handler" in value && "reject" in value;
}

/** Calls `done` once a statement has ended, with what it failed with; undefined: it has not. */
export function onEnd(query: DriverQuery, done: (error: unknown) => void): void {
  const { resolve, reject } = query;
  query.resolve = (value) => {
    resolve(value);
    done(undefined);
  };
  query.reject = (error) => {
    reject(error);
    done(error);
  };
}

export interface QueryHooks {
  /** Called when a statement is about to be sent, to send it; what it throws fails the statement, which is then not sent. */
  send: (query: DriverQuery, byDriver: (query: DriverQuery) => void) => void;
  /** Called with each failure of a statement. Who gives it answers for failures that nobody awaits. */
  onFailure?: (error: unknown) => void;
}

function hook(value: unknown, hooks: QueryHooks): unknown {
  if (!isDriverQuery(value)) return value;
  const { handler, reject } = value;
  value.reject = (error) => {
    const mapped = databaseError(error);
    hooks.onFailure?.(mapped);
    reject(mapped);
  };
  value.handler = (query) => {
    if (hooks.onFailure !== undefined) {
      query.catch(() => {
        // onFailure has it.
      });
    }
    try {
      hooks.send(query, handler);
    } catch (error) {
      // Nobody may take a transaction for done that has a statement which was not sent.
      query.reject(error);
    }
  };
  return value;
}

/**
 * Wraps the driver's tag so that every statement made with it passes the hooks, when it is sent: a statement is sent when it
 * is first awaited or executed, not when it is made. `extra` replaces members of the tag.
 */
export function hookedSql<S extends postgres.Sql>(
  sql: S,
  hooks: QueryHooks,
  extra: Readonly<Record<string, unknown>> = {},
): S {
  return new Proxy(sql, {
    apply(target, _self, args: Parameters<S>) {
      const value: unknown = Reflect.apply(target, undefined, args);
      return hook(value, hooks);
    },
    get(target, name) {
      if (typeof name === "string" && Object.hasOwn(extra, name)) return extra[name];
      if (name === "unsafe") {
        return (...args: Parameters<S["unsafe"]>) =>
          hook((target.unsafe as (...all: unknown[]) => unknown)(...args), hooks);
      }
      return Reflect.get(target, name) as unknown;
    },
  });
}
