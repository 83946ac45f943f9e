import { Command } from "commander";
import { OWN_SETTINGS } from "#local/own-settings.ts";
import { SERVICES } from "#local/services.ts";
import { systemClock } from "#shared/clock/system.ts";
import { loadSettings } from "#shared/config/load.ts";
import { migrate } from "#shared/db/migrate.ts";
import { fail } from "#shared/service/run-process.ts";
import { atStart } from "#shared/service/watch-servers.ts";

new Command("migrate").description("Brings the tables of a database up to date: that of DATABASE_URL.").parse();
try {
  const { general, given } = loadSettings([...SERVICES, OWN_SETTINGS]);
  const setting = "DATABASE_URL";
  const server = { name: "Postgres", setting, isDefault: given[setting] === undefined };
  const applied = await atStart(server, () => migrate(general.DATABASE_URL), { clock: systemClock });
  process.stdout.write(applied.length === 0 ? "The database is up to date.\n" : `Applied: ${applied.join(", ")}.\n`);
} catch (error) {
  fail(error);
}
