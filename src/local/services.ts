import { type AlertKinds, PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import type { ServiceDefinition } from "#shared/service/service.ts";

/** Every service there is, a line each, in the order in which one process starts them. */
export const SERVICES: readonly ServiceDefinition[] = [
  (await import("#services/paper-exchange/index.ts")).paperExchange,
  (await import("#services/data-collect/index.ts")).dataCollect,
  (await import("#services/market-data/index.ts")).marketData,
  (await import("#services/order-position-tracker/index.ts")).orderPositionTracker,
  (await import("#services/risk-manager/index.ts")).riskManager,
  (await import("#services/strategy-executor/index.ts")).strategyExecutor,
  (await import("#services/session-manager/index.ts")).sessionManager,
  (await import("#services/backtest/index.ts")).backtest,
  (await import("#services/notification/index.ts")).notification,
  (await import("#services/dashboard/index.ts")).dashboard,
  (await import("#services/monitoring/index.ts")).monitoring,
  (await import("#services/template/index.ts")).template,
];

/** Every kind of alert there is, by its code. */
export const ALERT_KINDS: AlertKinds = Object.assign({ ...PROCESS_ALERTS }, ...SERVICES.map(({ alerts }) => alerts));
