import { startDocumentedStage } from "./documented-stage.fixture.ts";
import { describeExchange } from "./exchange-contract.fixture.ts";
import { startPaperStage } from "./paper-stage.fixture.ts";

describeExchange("the simulated venue", startPaperStage);
describeExchange("what Binance is documented to say", startDocumentedStage);
