import { AppError } from "#shared/errors/app-error.ts";
import { OUTSIDE_WINDOW, type VenueAnswer } from "./binance-answers.ts";

/** The failure of a question that changes nothing: it may be asked again. */
export function askFailed(venue: string, what: string, answer: Exclude<VenueAnswer, { kind: "answer" }>): AppError {
  if (answer.kind === "refused" && answer.code !== OUTSIDE_WINDOW) {
    const message = `The venue "${venue}" refuses to tell ${what}: ${answer.reason} (${answer.code}).`;
    return new AppError("VENUE_REFUSED", "permanent", message, { details: { venue, code: answer.code } });
  }
  if (answer.kind === "banned") return banned(venue, answer.untilMs);
  const message = `The venue "${venue}" did not tell ${what}: ${answer.reason}.`;
  return new AppError("VENUE_UNAVAILABLE", "transient", message, {
    cause: answer.kind === "lost" ? answer.cause : undefined,
    details: { venue },
  });
}

/** Nothing may leave for the venue until then. */
export function banned(venue: string, untilMs: number): AppError {
  const message = `The venue "${venue}" takes nothing from here until ${new Date(untilMs).toISOString()}: too many requests.`;
  return new AppError("VENUE_BANNED", "transient", message, { details: { venue, untilMs } });
}

/** The failure of a request that may have taken effect: only the venue knows, it has to be asked. */
export function answerLost(venue: string, what: string, reason: string, cause?: unknown): AppError {
  const message = `The answer of the venue "${venue}" to ${what} was lost: ${reason}.`;
  return new AppError("VENUE_ANSWER_LOST", "transient", message, { cause, details: { venue } });
}

/** An answer that has not the form Binance documents. */
export function notUnderstood(venue: string, what: string, cause: unknown): AppError {
  const message = `The venue "${venue}" told ${what} in a form that is not known.`;
  return new AppError("VENUE_UNAVAILABLE", "transient", message, { cause, details: { venue } });
}
