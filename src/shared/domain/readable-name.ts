import type { z } from "zod";

/** A name that a person can read: something in it is seen, and nothing turns or breaks a line. */
export function readableName(name: z.ZodString): z.ZodString {
  return name.refine(
    (text) => /[\p{L}\p{N}\p{P}\p{S}]/u.test(text) && !/[\p{Cc}\p{Bidi_C}]/u.test(text),
    "must have a letter, a digit or a sign that can be seen, and nothing that turns or breaks a line",
  );
}
