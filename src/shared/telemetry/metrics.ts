import { collectDefaultMetrics, Registry } from "prom-client";

/** Bun answers these by walking the whole heap: 100 ms in which nothing else is answered. */
const SLOW = ["total", "used", "available"].map((what) => `nodejs_heap_space_size_${what}_bytes`);

/** A registry of a process' metrics, with those of the runtime (memory, CPU, event loop) in it. */
export function createRegistry(labels: Record<string, string>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({ register: registry });
  for (const name of SLOW) registry.removeSingleMetric(name);
  return registry;
}
