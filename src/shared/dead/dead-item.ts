import { z } from "zod";
import { epochMs } from "#shared/domain/schemas.ts";

export const deadKindSchema = z.enum(["event", "task"]);
export const deadStateSchema = z.enum(["parked", "dead"]);
export type DeadState = z.infer<typeof deadStateSchema>;

/** An event or a task that failed. */
export const deadItemSchema = z.object({
  id: z.uuid().describe("The event's or the task's id"),
  kind: deadKindSchema.describe("Whether it is an event or a task"),
  state: deadStateSchema.describe(
    "parked: it is tried again. dead: nobody tries it until a person redrives or discards it",
  ),
  channel: z.string().describe("The event's topic, or the task's queue"),
  lane: z.string().describe("The event's key, or the task's lane: what is done in order"),
  seq: z.number().int().describe("Its number in the partition of its topic, or in its lane"),
  tries: z.number().int().describe("How often it has failed; 0: it waits behind another one"),
  error: z.string().nullable().describe("Why it failed last"),
  sinceMs: epochMs.describe("Since when an event is parked, or a task is there; UTC epoch milliseconds"),
});
export type DeadItem = z.infer<typeof deadItemSchema>;

/** Something that a person did about a dead event or task. */
export const deadActionSchema = z.object({
  action: z.enum(["redrive", "discard"]).describe("What was done"),
  by: z.string().describe("local, until there are users"),
  reason: z.string().describe("Why, as the person said"),
  atMs: epochMs.describe("When, UTC epoch milliseconds"),
});
export type DeadAction = z.infer<typeof deadActionSchema>;

/** One of them with all there is to know. */
export const deadDetailSchema = deadItemSchema.extend({
  state: z
    .enum([...deadStateSchema.options, "done", "discarded"])
    .describe("As in the list; done: it was redriven, and done. discarded: a person took it out"),
  content: z.string().describe("The event as it came, or the task's payload; as text, since it may be no JSON"),
  waiting: z.number().int().describe("How many wait behind it in its lane"),
  actions: z.array(deadActionSchema).describe("What persons did about it, oldest first"),
});
export type DeadDetail = z.infer<typeof deadDetailSchema>;

/** Where a page begins: after this one. */
export type DeadAfter = [sinceMs: number, id: string];
