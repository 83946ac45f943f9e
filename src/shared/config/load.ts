import { readFileSync } from "node:fs";
import type { z } from "zod";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { type FieldError, faultsOf } from "#shared/errors/field-error.ts";
import { type GeneralSettings, generalSchema, OTHER_VARIABLES } from "./general.ts";
import { nearestName } from "./nearest-name.ts";
import { readSettingsFile } from "./settings-file.ts";

/** Variables as a process gets them. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface Settings {
  general: GeneralSettings;
  /** The checked settings of a service. */
  of<Schema extends z.ZodObject>(service: { name: string; settings: Schema }): z.infer<Schema>;
  /** The variables themselves, the environment's above the file's: what was told, and not only the default. */
  given: Readonly<Record<string, string>>;
}

interface ServiceSchema {
  name: string;
  settings: z.ZodObject;
}

/**
 * Reads the settings of a process: the environment, and below it the file that R3_SETTINGS_FILE names. All services'
 * settings are checked, whichever run here, so that processes can share one file.
 *
 * @throws AppError SETTINGS_INVALID with one line a fault: the variable and what it should be, never its value.
 */
export function loadSettings(services: readonly ServiceSchema[], environment: Variables = Bun.env): Settings {
  const { variables, fileFaults } = withFile(environment);
  const faults = [...fileFaults, ...unknownNames(variables, services)];
  const read = (schema: z.ZodObject): unknown => {
    const result = schema.safeParse(variables);
    if (result.success) return result.data;
    faults.push(...faultsOf(schema, variables).map((fault) => inWords(fault, schema)));
    return undefined;
  };
  const general = read(generalSchema);
  const byService = new Map(services.map((service) => [service.name, read(service.settings)]));
  if (faults.length > 0) throw settingsInvalid(faults);
  return {
    general: general as GeneralSettings,
    of: <Schema extends z.ZodObject>(service: { name: string; settings: Schema }) =>
      byService.get(service.name) as z.infer<Schema>,
    given: variables,
  };
}

/** Several faults of the settings as one error, a line each. */
export function settingsInvalid(faults: readonly string[]): AppError {
  const lines = faults.map((fault) => `  ${fault}`).join("\n");
  return new AppError("SETTINGS_INVALID", "permanent", `The settings are not as they should be:\n${lines}`, {
    details: { faults },
  });
}

/** An empty variable counts as one that is not set, as files of Compose write it. */
function withFile(environment: Variables): { variables: Record<string, string>; fileFaults: string[] } {
  const file = environment["R3_SETTINGS_FILE"];
  if (file === undefined || file === "") return { variables: filled(environment), fileFaults: [] };
  try {
    const { variables, faults } = readSettingsFile(readFileSync(file, "utf8"));
    const fromFile = filled(variables);
    const fileFaults = [...faults.map((fault) => `R3_SETTINGS_FILE: ${fault}`), ...foreignNames(fromFile)];
    return { variables: { ...fromFile, ...filled(environment) }, fileFaults };
  } catch (error) {
    const fault = `R3_SETTINGS_FILE: must name a file of KEY=value lines that can be read (${messageOf(error)})`;
    return { variables: filled(environment), fileFaults: [fault] };
  }
}

function filled(variables: Variables): Record<string, string> {
  const entries = Object.entries(variables).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return Object.fromEntries(entries);
}

/** The environment holds much that is not ours, the settings file nothing. */
function foreignNames(fromFile: Record<string, string>): string[] {
  const foreign = Object.keys(fromFile).filter(
    (name) => !name.startsWith("R3_") && !Object.hasOwn(generalSchema.shape, name),
  );
  return foreign.map((name) => `${name}: is no setting, and stands in the settings file`);
}

function unknownNames(variables: Variables, services: readonly ServiceSchema[]): string[] {
  const known = [generalSchema, ...services.map((service) => service.settings)]
    .flatMap((schema) => Object.keys(schema.shape))
    .concat(Object.keys(OTHER_VARIABLES));
  return Object.keys(variables)
    .filter((name) => name.startsWith("R3_") && !known.includes(name))
    .toSorted()
    .map((name) => {
      const nearest = nearestName(name, known);
      return `${name}: is no setting${nearest === null ? "" : `; is ${nearest} meant?`}`;
    });
}

function inWords({ field, message }: FieldError, schema: z.ZodObject): string {
  const [variable = "", ...inside] = field.split(".");
  const what = descriptionOf(schema.shape[variable]);
  const where = inside.length === 0 ? "" : ` (at ${inside.join(".")})`;
  return `${variable}${where}: ${message}${what === undefined ? "" : `. ${what}`}`;
}

/** The description, which stands on the schema itself or on what it wraps. */
export function descriptionOf(schema: z.core.$ZodType | undefined): string | undefined {
  if (schema === undefined) return undefined;
  if ("description" in schema && typeof schema.description === "string") return schema.description;
  const inner = "innerType" in schema._zod.def ? schema._zod.def.innerType : undefined;
  return descriptionOf(inner as z.core.$ZodType | undefined);
}
