const ids = new WeakMap<Request, string>();
const ACCEPTED = /^[\x21-\x7e]{1,128}$/;

/** Gives a request its id: the caller's X-Request-Id when it is 1 to 128 printable characters, else a new one. */
export function assignRequestId(request: Request): string {
  const given = request.headers.get("x-request-id");
  const id = given !== null && ACCEPTED.test(given) ? given : crypto.randomUUID();
  ids.set(request, id);
  return id;
}

/** The id a request was given. Undefined where no server stands around the routes, as in tests of one plugin. */
export function requestIdOf(request: Request): string | undefined {
  return ids.get(request);
}
