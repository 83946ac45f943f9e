import { report, Trouble } from "#local/say.ts";
import { scripts } from "#package" with { type: "json" };
import { nearestName } from "#shared/config/nearest-name.ts";

/** What bin/bun becomes where it was asked to run nothing, or something that is no script. */
const wanted = process.argv[2];
const names = Object.keys(scripts);
const nearest = wanted === undefined ? null : nearestName(wanted, names);
const hint = nearest === null ? `There are ${names.join(", ")}.` : `Did you mean ${nearest}?`;
const trouble = wanted === undefined ? "Which script? bin/bun run <script>." : `There is no script "${wanted}".`;
report(new Trouble(`${trouble} ${hint}`));
process.exitCode = 1;
