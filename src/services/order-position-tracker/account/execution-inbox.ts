import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { reportForeign } from "#services/order-position-tracker/record/foreign.ts";
import { failsByContent, keepUnbooked } from "#services/order-position-tracker/record/unbooked.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import { storableText } from "#shared/errors/storable-text.ts";
import type { AccountEvent } from "#shared/exchange/exchange.ts";
import type { Fence } from "./reconcile.ts";
import type { WakeUp } from "./wake-up.ts";

/** Frames of an account that arrive within so many milliseconds are booked in one transaction. */
const FRAMES_WITHIN_MS = 1;
const PAUSE_MS = 200;
/** How often a batch is tried before its events go one by one, and the one that fails is left out. */
const BATCH_TRIES = 3;
/** Events of one transaction at most, and events that wait: what comes beyond is read from the venue's lists. */
const MOST_TOGETHER = 500;
const MOST_WAITING = 20_000;

export interface InboxOptions {
  accountId: string;
  signal: AbortSignal;
  fence: Fence;
  /** An event was left out: only a reconciliation can bring it. */
  onLeftOut: () => void;
}

/** What the user stream told and what is not booked yet, in order. */
export class ExecutionInbox {
  readonly #events: AccountEvent[] = [];
  #tries = 0;

  constructor(
    private readonly context: TrackerContext,
    private readonly options: InboxOptions,
    private readonly news: WakeUp,
  ) {}

  put(accountEvent: AccountEvent): void {
    if (this.#events.length < MOST_WAITING) this.#events.push(accountEvent);
    else this.options.onLeftOut();
    this.news.wake();
  }

  /** Books what comes until the account is led by someone else. */
  async book(): Promise<void> {
    const { deps } = this.context;
    const { accountId, signal } = this.options;
    while (!signal.aborted) {
      if (this.#events.length === 0) {
        await this.news.woken();
        // What one commit of the venue has caused comes in several frames.
        await deps.clock.sleep(FRAMES_WITHIN_MS, signal);
      }
      this.#leaveAnswersOut();
      try {
        await this.#bookSome();
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        deps.log.warn({ accountId, error: messageOf(error) }, "executions not booked yet");
        await deps.clock.sleep(PAUSE_MS, signal);
      }
    }
  }

  /** What an answer has recorded needs no transaction; what one is recording is looked at again when that is over. */
  #leaveAnswersOut(): void {
    const { answers } = this.context;
    const { accountId } = this.options;
    for (const event of this.#events.splice(0)) {
      const over = answers.underWay(accountId, event);
      if (over !== undefined) void over.then(() => this.put(event));
      else if (!answers.has(accountId, event)) this.#events.push(event);
    }
  }

  /** All that waits in one transaction; one event alone while it is looked for which of them is at fault. */
  async #bookSome(): Promise<void> {
    const isAlone = this.#tries >= BATCH_TRIES;
    const events = this.#events.slice(0, isAlone ? 1 : MOST_TOGETHER);
    const [first] = events;
    if (first === undefined) return;
    try {
      await bookEvents(this.context, this.options, events);
    } catch (error) {
      if (hasCode(error, "FENCED") || !failsByContent(error)) throw error;
      this.#tries += 1;
      if (!isAlone) throw error;
      await leaveOut(this.context, this.options, first, error);
      this.#tries = 0;
    }
    this.#events.splice(0, events.length);
    if (this.#events.length === 0) this.#tries = 0;
  }
}

/** These events in one transaction. A frozen old leader changes nothing: the fence comes first. */
async function bookEvents(
  context: TrackerContext,
  options: InboxOptions,
  events: readonly AccountEvent[],
): Promise<void> {
  const { deps, recorder } = context;
  const { accountId, fence } = options;
  const fills = events.flatMap(({ order, fill }) =>
    fill === undefined ? [] : [{ ...fill, clientOrderId: order.clientOrderId }],
  );
  const report = await recorder.prepare(accountId, { orders: events.map(({ order }) => order), fills });
  await deps.db.transaction(async (tx) => {
    const [, recorded] = await Promise.all([fence(tx), recorder.record(tx, report)]);
    await reportForeign(tx, context, { accountId, foreign: recorded.foreign, silent: false });
    // The venue's list says whether it is so, or the frame was garbled.
    if (report.unbookable.length > 0) tx.afterCommit(options.onLeftOut);
    const first = recorded.fills[0];
    if (first === undefined) return;
    deps.failpoints.hit("tracker.fill-received", { order: first.order.number, sessionId: first.order.sessionId });
  });
}

/** One event that can not be booked must not keep the later ones: a person is told, and the venue is asked for it anew. */
async function leaveOut(
  { deps, instruments }: TrackerContext,
  options: InboxOptions,
  left: AccountEvent,
  error: unknown,
): Promise<void> {
  const { accountId, fence, onLeftOut } = options;
  const { clientOrderId, venueOrderId, venueSymbol } = left.order;
  const tradeId = left.fill?.tradeId ?? null;
  const { venue } = deps.exchanges.account(accountId);
  const instrument = await instruments.bySymbol(venue, venueSymbol).catch((unreadable: unknown) => {
    // It may be its instrument's row that cannot be read. A database that is away says nothing of it.
    if (!failsByContent(unreadable)) throw unreadable;
    return null;
  });
  await deps.db.transaction(async (tx) => {
    await fence(tx);
    if (left.fill !== undefined && instrument !== null) {
      const { tradeId: id } = left.fill;
      const row = { tradeId: id, venueOrderId, raw: JSON.stringify(left.fill), reason: storableText(error) };
      await keepUnbooked(tx, deps, { accountId, instrument, row, silent: true, listed: false });
    }
    await raiseAlert(tx, deps, {
      scope: `account:${accountId}/${venueSymbol}`,
      kind: alerts.EXECUTION_NOT_BOOKED,
      text: `What the account ${accountId} was told of its order ${clientOrderId} could not be booked and was left out; the venue is asked for it anew. Compare the position with the venue's: ${messageOf(error)}`,
      data: { accountId, clientOrderId, venueOrderId, venueSymbol, tradeId },
    });
  });
  deps.log.error(
    { accountId, clientOrderId, venueOrderId, tradeId, error: messageOf(error) },
    "an execution was left out",
  );
  onLeftOut();
}
