import { z } from "zod";

/** A setting whose text is JSON. What is inside is checked by `schema`; the text itself is never shown. */
export function jsonText<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.issues.push({ code: "custom", message: "must be JSON", input: undefined });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

/** A whole number between two bounds, both included. */
export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number(message).int(message).min(min, message).max(max, message);
}

/** "true" or "false". */
export const flag = z.enum(["true", "false"], 'must be "true" or "false"').transform((text) => text === "true");
