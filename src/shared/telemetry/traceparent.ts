import { randomBytes } from "node:crypto";

const FORM = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * The next W3C trace context (`00-<trace>-<span>-<flags>`): of the same trace as `parent` with a span of its own, or of
 * a new, unsampled trace where there is no parent or it cannot be read.
 */
export function nextTraceparent(parent?: string): string {
  const found = parent === undefined ? null : FORM.exec(parent);
  const trace = found?.[1] ?? randomBytes(16).toString("hex");
  return `00-${trace}-${randomBytes(8).toString("hex")}-${found?.[3] ?? "00"}`;
}
