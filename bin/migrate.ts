import { loadSettings } from "#shared/config/load.ts";
import { migrate } from "#shared/db/migrate.ts";
import { fail } from "#shared/service/run-process.ts";
import { atStart } from "#shared/service/watch-servers.ts";
import { OWN_SETTINGS } from "./own-settings.ts";
import { SERVICES } from "./services.ts";

try {
  const { DATABASE_URL } = loadSettings([...SERVICES, OWN_SETTINGS]).general;
  const applied = await atStart({ name: "Postgres", setting: "DATABASE_URL" }, () => migrate(DATABASE_URL));
  process.stdout.write(applied.length === 0 ? "The database is up to date.\n" : `Applied: ${applied.join(", ")}.\n`);
} catch (error) {
  fail(error);
}
