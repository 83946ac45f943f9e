import { scripts } from "#package" with { type: "json" };
import { nearestName } from "#shared/config/nearest-name.ts";
import { report, Trouble } from "./say.ts";

/** What bin/bun becomes where there is no script of the name that it was asked to run. */
const wanted = process.argv[2] ?? "";
const names = Object.keys(scripts);
const nearest = nearestName(wanted, names);
const hint = nearest === null ? `There are ${names.join(", ")}.` : `Did you mean ${nearest}?`;
report(new Trouble(`There is no script "${wanted}". ${hint}`));
process.exitCode = 1;
