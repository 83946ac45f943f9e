import { z } from "zod";
import { idText } from "#shared/domain/schemas.ts";
import { sessionStateSchema } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { validationSchema } from "#shared/http/create-clients.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageSchema } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Deps } from "#shared/service/service.ts";
import type { StrategyInfo } from "#shared/strategy-threads/definitions.ts";
import { listRuns, readShards } from "./store.ts";

const strategySchema = z.object({
  name: z.string().describe("By which a session names it"),
  version: z.string().describe("Its version now"),
  description: z.string().describe("What it does"),
  forming: z.boolean().describe("Whether it is also called with forming bars"),
  params: z.record(z.string(), z.unknown()).describe("JSON Schema of its parameters"),
});

const strategiesSchema = pageSchema(strategySchema).extend({
  faults: z
    .array(z.string())
    .describe("What cannot be loaded as it stands in the folders now; of it the last that could is listed"),
});

const shardSchema = z.object({
  partition: z.number().int().describe("Of the sessions that it runs"),
  epoch: z.number().int().describe("Grows with each new leader; 0: it never had one"),
  led: z.boolean().describe("Whether a leader's lease holds now"),
  sessions: z
    .array(
      z.object({
        sessionId: z.string().describe("The session's id"),
        run: z.number().int().describe("Which start of it"),
        state: sessionStateSchema.describe("Where it is in its life"),
        phase: z.enum(["WARMING", "READY", "FAULTED"]).describe("What its strategy does"),
        candleN: z.number().int().describe("Number of the newest candle that it has seen"),
        busy: z.boolean().describe("Whether an order of it is on its way"),
        strategy: z.string().describe("Its strategy"),
        strategyVersion: z.string().describe("The version that it runs"),
        newerVersion: z
          .string()
          .nullable()
          .describe(
            "Version of the strategy that new sessions get, where it is another one; null: the session has the newest",
          ),
      }),
    )
    .describe("Those that it runs"),
});

/** REST of the executor. Any replica gives the same answers. */
export function createRoutes({ deps }: { deps: Deps }) {
  const { strategies } = deps;
  // The server answers before its services are up.
  const listed = async () => {
    await strategies.load();
    return strategies.list().map(describe);
  };
  return httpBase("strategy-executor", deps.log)
    .get("/strategies", async () => ({ items: await listed(), nextCursor: null, faults: [...strategies.faults()] }), {
      response: { 200: strategiesSchema },
      detail: { summary: "Lists the strategies with the schemas of their parameters" },
    })
    .get(
      "/strategies/:name",
      async ({ params }) => {
        const found = (await listed()).find(({ name }) => name === params.name);
        if (found !== undefined) return found;
        throw new AppError("NOT_FOUND", "permanent", "There is no strategy of this name.", {
          details: { known: strategies.list().map(({ name }) => name) },
        });
      },
      {
        params: z.object({ name: z.string().max(100).describe("The strategy's name") }),
        response: { 200: strategySchema, 404: problemSchema },
        detail: { summary: "Describes a strategy" },
      },
    )
    .post("/strategies/validate", ({ body }): Promise<z.infer<typeof validationSchema>> => strategies.check(body), {
      body: z
        .strictObject({
          strategy: idText.describe("Its name"),
          params: z.unknown().describe("Parameters to be checked"),
        })
        .meta({ examples: [{ strategy: "sma-cross", params: { fast: 10, slow: 30 } }] }),
      response: { 200: validationSchema },
      detail: { summary: "Checks a strategy's parameters and fills in their defaults" },
    })
    .get("/shards", async () => ({ items: await shardsOf(deps), nextCursor: null }), {
      response: { 200: pageSchema(shardSchema) },
      detail: { summary: "Lists the shards, whether they are led, and how far their sessions are" },
    });
}

async function shardsOf(deps: Deps): Promise<z.infer<typeof shardSchema>[]> {
  const prefix = "unit:strategy-executor:";
  const [roles, runs] = await Promise.all([readShards(deps.db.sql, prefix), listRuns(deps.db.sql)]);
  return Array.from({ length: deps.bus.partitions }, (_, partition) => {
    const leadership = roles.find(({ role }) => role === `${prefix}${partition}`);
    const sessions = runs
      .filter((run) => run.partition === partition)
      .map(({ partition: _partition, ...session }) => ({ ...session, newerVersion: newerOf(deps, session) }));
    return { partition, epoch: leadership?.epoch ?? 0, led: leadership?.led ?? false, sessions };
  });
}

function newerOf({ strategies }: Deps, run: { strategy: string; strategyVersion: string }): string | null {
  const version = strategies.find(run.strategy)?.version ?? null;
  return version === run.strategyVersion ? null : version;
}

function describe({ file: _file, texts: _texts, ...info }: StrategyInfo): z.infer<typeof strategySchema> {
  return info;
}
