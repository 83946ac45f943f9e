import { z } from "zod";
import { type Context, knownInstances } from "#services/monitoring/context.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { writeGone } from "./instance-store.ts";

/** REST of the word that what is down is gone for good. */
export function createForgetRoutes(context: Context) {
  const { db, log } = context.deps;
  return httpBase("monitoring", log).post(
    "/services/:service/forget",
    async ({ params: { service }, body: { reason } }) => {
      const own = (await knownInstances(context)).filter(({ beat }) => beat.service === service);
      const missing = own.filter(({ standing }) => standing !== "alive");
      if (missing.length === 0) {
        const text = "No instance of this service is missing: who is alive would be heard again at once.";
        throw new AppError("NOT_FOUND", "permanent", text);
      }
      await writeGone(db.sql, missing);
      const instances = missing.map(({ beat }) => beat.instance);
      log.info({ service, instances, reason }, "a person has said that instances are gone for good");
      return new Response(null, { status: 204 });
    },
    {
      params: z.object({ service: z.string().min(1).max(100).describe("The service's name") }),
      body: z.strictObject({
        reason: z.string().trim().min(1).max(1_000).describe("Why, for those who read the log later"),
      }),
      detail: {
        summary:
          "Says that the instances of a service that are not alive are gone for good: nobody misses them, nor the service where it has no other",
        responses: {
          204: { description: "They are forgotten, until they are heard again" },
          404: { description: "No instance of it is missing" },
        },
      },
    },
  );
}
