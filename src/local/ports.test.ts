import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { freePort, portNear, portOf } from "./ports.ts";
import { Trouble } from "./say.ts";

/** A process that chooses this port, says which one it got, and lives on without listening there. */
async function chooseElsewhere(wanted: number) {
  const program = `const { portNear } = await import(${JSON.stringify(join(import.meta.dir, "ports.ts"))});
    console.log(await portNear(${wanted})); setInterval(() => {}, 1_000);`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  return { child, port: Number(new TextDecoder().decode(value)) };
}

describe("a free port", () => {
  test("is not given to two processes, also while nobody listens there, and is free again when its process is killed", async () => {
    const wanted = 18_000 + Math.floor(Math.random() * 1_000);
    const chosen = [await chooseElsewhere(wanted), await chooseElsewhere(wanted)];
    for (const { child } of chosen) {
      child.kill("SIGKILL");
      await child.exited;
    }
    expect(chosen.map(({ port }) => port === wanted)).toEqual([true, false]);
    expect(await portNear(wanted)).toBe(wanted);
  });

  test("is never the same one twice", async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, freePort));
    expect(new Set(ports).size).toBe(50);
  });

  test("that a setting names and that is taken is refused in one sentence", async () => {
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const refused = await portOf("R3_HTTP_PORT", String(taken.port)).catch((error: unknown) => error);
    taken.stop(true);
    expect(refused).toEqual(new Trouble(`Port ${taken.port} (R3_HTTP_PORT) is taken; free it or choose another one.`));
  });
});
