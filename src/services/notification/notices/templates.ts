import { z } from "zod";
import { cut } from "#services/notification/channels/channel.ts";

/** The texts that a person may write anew: the names that stand for something in them, and the usual text. */
export const TEMPLATES = {
  alert: {
    names: ["severity", "code", "scope", "text", "toDo", "time"],
    text: "{text} What to do: {toDo}\n{time}",
  },
  alertOver: { names: ["severity", "code", "scope", "time"], text: "{time}" },
  fill: {
    names: [
      "session",
      "sessionId",
      "side",
      "size",
      "instrument",
      "price",
      "fee",
      "feeAsset",
      "orderState",
      "filled",
      "orderSize",
      "time",
    ],
    text: "{session}: {filled} of {orderSize} are filled, fee {fee} {feeAsset}\n{time}",
  },
  session: {
    names: ["session", "sessionId", "from", "to", "reason", "strategy", "instrument", "time"],
    text: "{strategy} on {instrument}. {reason}\n{time}",
  },
} as const;
export type TemplateKind = keyof typeof TEMPLATES;

const MOST_TEMPLATE = 1_000;
/** Longer texts fit no chat. */
const MOST_TEXT = 1_500;
const NAME = /\{(\w+)\}/g;

/** A text of one's own: each name in braces is one that there is. */
export function templateSchema(kind: TemplateKind) {
  const names: readonly string[] = TEMPLATES[kind].names;
  return z
    .string()
    .min(1)
    .max(MOST_TEMPLATE)
    .refine(
      (text) => [...text.matchAll(NAME)].every(([, name = ""]) => names.includes(name)),
      `may name ${names.map((name) => `{${name}}`).join(", ")}`,
    )
    .meta({ examples: [`{${names[0]}}`] })
    .describe(`Text in place of the usual one: ${TEMPLATES[kind].text.replaceAll("\n", " / ")}`);
}

/** The text with what its names stand for. What is put in is not read again; a line with nothing in it goes. */
export function render(template: string, values: Readonly<Record<string, string>>): string {
  const text = template.replaceAll(NAME, (whole, name: string) => values[name] ?? whole);
  const lines = text.split("\n").map((line) => line.trim());
  return cut(lines.filter((line) => line !== "").join("\n"), MOST_TEXT);
}
