import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

const freePort = (server: string) =>
  wholeNumber(1, 65_535)
    .optional()
    .describe(`Port of the ${server} that bin/up starts. Default: any of 127.0.0.1 that is free`);

/** What bin/up reads for itself. The services know these names, so that one file of settings serves all, and use none. */
export const OWN_SETTINGS = {
  name: "bin/up",
  settings: z.object({
    R3_DATA_FOLDER: z
      .string()
      .min(1)
      .default(".data")
      .describe("Folder of all that bin/up keeps; from the repository's root where it is relative"),
    R3_POSTGRES_PORT: freePort("Postgres"),
    R3_REDIS_PORT: freePort("Redis"),
  }),
};
