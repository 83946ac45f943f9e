import { backtest } from "#services/backtest/index.ts";
import { dataCollect } from "#services/data-collect/index.ts";
import { marketData } from "#services/market-data/index.ts";
import { orderPositionTracker } from "#services/order-position-tracker/index.ts";
import { paperExchange } from "#services/paper-exchange/index.ts";
import { riskManager } from "#services/risk-manager/index.ts";
import { sessionManager } from "#services/session-manager/index.ts";
import { strategyExecutor } from "#services/strategy-executor/index.ts";
import type { ServiceDefinition } from "#shared/service/service.ts";

/** Every service there is, in the order in which one process starts them. */
export const SERVICES: readonly ServiceDefinition[] = [
  paperExchange,
  dataCollect,
  marketData,
  orderPositionTracker,
  riskManager,
  strategyExecutor,
  sessionManager,
  backtest,
];
