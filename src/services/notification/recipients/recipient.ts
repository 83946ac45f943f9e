import { z } from "zod";
import { isTimeZone } from "#services/notification/notices/local-time.ts";
import { TEMPLATES, templateSchema } from "#services/notification/notices/templates.ts";
import { severitySchema } from "#shared/alerts/alert-kinds.ts";
import { readableName } from "#shared/domain/readable-name.ts";
import { epochMs, uuidText } from "#shared/domain/schemas.ts";
import { channelInputSchema, channelViewSchema, EXAMPLE_WEBHOOK } from "./channel-input.ts";

const name = readableName(z.string().min(1).max(100)).describe("What a person calls it; no other recipient has it");
const timeOfDay = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day like "07:30"')
  .meta({ examples: ["07:30"] });

const quietHoursSchema = z
  .strictObject({ from: timeOfDay.describe("When they begin"), to: timeOfDay.describe("When they end") })
  .refine(({ from, to }) => from !== to, "must begin at another time than they end");

/** What a recipient is told, and when. */
const preferences = {
  events: z
    .array(z.enum(["alerts", "fills", "sessions"]))
    .max(3)
    .describe("What is told: alerts, fills of orders, changes of a session's state"),
  minSeverity: severitySchema.describe("Of alerts: the least that is told"),
  sessionIds: z
    .array(uuidText)
    .min(1)
    .max(1_000)
    .nullable()
    .describe("Of these sessions alone; alerts that are of no session are told all the same. Null: of all"),
  timeZone: z
    .string()
    .max(60)
    .refine(isTimeZone, "must be a time zone of the IANA database like Europe/Paris")
    .meta({ examples: ["UTC"] })
    .describe("Of all times of day here and in texts, as the IANA database names it"),
  quietHours: quietHoursSchema
    .nullable()
    .describe("Hours in which only what is critical is told; the rest comes as one message at their end. Null: none"),
  digestMinutes: z
    .number()
    .int()
    .min(1)
    .max(1_440)
    .nullable()
    .describe("What is not critical is gathered for so many minutes and told in one message. Null: each at once"),
  throttlePerMinute: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .nullable()
    .describe(
      "So many messages in a minute at most; the rest comes as one message after it. What is critical is counted and not held back. Null: no limit",
    ),
  dailySummaryAt: timeOfDay.nullable().describe("When the summary of a day is sent. Null: never"),
  templates: z
    .strictObject({
      alert: templateSchema("alert").optional(),
      alertOver: templateSchema("alertOver").optional(),
      fill: templateSchema("fill").optional(),
      session: templateSchema("session").optional(),
    })
    .describe(`Texts of one's own in place of the usual ones, with names in braces: ${namesInWords()}`),
};

function namesInWords(): string {
  return Object.entries(TEMPLATES)
    .map(([kind, { names }]) => `${kind} has ${names.map((one) => `{${one}}`).join(" ")}`)
    .join("; ");
}

/** The preferences as they are written. */
export const preferencesSchema = z.object(preferences);
export type Preferences = z.infer<typeof preferencesSchema>;

const optional = {
  events: preferences.events.default(["alerts", "fills", "sessions"]),
  minSeverity: preferences.minSeverity.default("info"),
  sessionIds: preferences.sessionIds.default(null),
  timeZone: preferences.timeZone.default("UTC"),
  quietHours: preferences.quietHours.default(null),
  digestMinutes: preferences.digestMinutes.default(null),
  throttlePerMinute: preferences.throttlePerMinute.default(null),
  dailySummaryAt: preferences.dailySummaryAt.default(null),
  templates: preferences.templates.default({}),
};

/**
 * The preferences as they are read, and the names of those that cannot be, since another version of the engine wrote them: they
 * count as not given, so that a recipient is told more than it wanted, and never less.
 */
export function readPreferences(kept: unknown): { preferences: Preferences; unreadable: string[] } {
  const given = z.record(z.string(), z.unknown()).catch({}).parse(kept);
  const unreadable: string[] = [];
  const read = Object.entries(preferences).map(([name, schema]) => {
    const field = schema.safeParse(given[name]);
    if (!field.success) unreadable.push(name);
    return [name, field.success ? field.data : undefined];
  });
  return { preferences: z.object(optional).parse(Object.fromEntries(read)), unreadable };
}

/** What a recipient is made of. */
export const createRecipientSchema = z
  .strictObject({ name, channel: channelInputSchema, ...optional })
  .meta({ examples: [{ name: "Me", channel: EXAMPLE_WEBHOOK }] });
export type CreateRecipient = z.infer<typeof createRecipientSchema>;

/** What of a recipient is to be otherwise. At least one field. */
export const changeRecipientSchema = z
  .strictObject({ name, channel: channelInputSchema, ...preferences })
  .partial()
  .refine((change) => Object.values(change).some((value) => value !== undefined), "must name at least one field")
  .meta({ examples: [{ minSeverity: "warning" }] });
export type ChangeRecipient = z.infer<typeof changeRecipientSchema>;

/** A recipient with how its messages get on. Nothing secret is in it. */
export const recipientSchema = z.object({
  id: z.uuid().describe("The recipient's id"),
  name,
  channel: channelViewSchema.describe("Where it is told, without what is secret"),
  ...preferences,
  waiting: z.number().int().describe("Messages that are not sent yet"),
  held: z.number().int().describe("What is held back by quiet hours, digest, throttle or too many messages"),
  sent: z.number().int().describe("Messages that were sent"),
  dead: z.number().int().describe("Messages that its channel has refused for good"),
  lastSentAtMs: epochMs.nullable().describe("When the last one was sent, UTC epoch milliseconds; null: none yet"),
  failingSinceMs: epochMs
    .nullable()
    .describe("Since when its channel takes none, UTC epoch milliseconds; null: it does"),
  lastError: z.string().nullable().describe("Why the last try failed; null: it did not"),
  version: z.number().int().positive().describe("Grows by one with each change; the ETag of REST"),
  createdAtMs: epochMs.describe("When it was made, UTC epoch milliseconds"),
  updatedAtMs: epochMs.describe("When it was changed last, UTC epoch milliseconds"),
});
export type Recipient = z.infer<typeof recipientSchema>;
