import { z } from "zod";
import { positiveDecimal } from "#shared/domain/schemas.ts";

/** What template can be told. */
export const templateSettings = z.object({
  R3_TEMPLATE_LARGE_SIZE: positiveDecimal
    .default("100")
    .describe("Size above which a position is told of, in the base asset"),
});
export type TemplateSettings = z.infer<typeof templateSettings>;
