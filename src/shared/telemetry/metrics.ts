import { collectDefaultMetrics, Registry } from "prom-client";

/** A registry of a process' metrics, with those of the runtime (memory, CPU, event loop) in it. */
export function createRegistry(labels: Record<string, string>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({ register: registry });
  return registry;
}
