import { describeExchange } from "./exchange-contract.fixture.ts";
import { startPaperStage } from "./paper-stage.fixture.ts";
import { startRecordedStage } from "./recorded-stage.fixture.ts";

describeExchange("the simulated venue", startPaperStage);
describeExchange("what Binance is recorded to say", startRecordedStage);
