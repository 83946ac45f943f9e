/** The pages on which a person looks at BullMQ's jobs. Nothing is made, and no connection, before the first one is asked for. */
export interface QueueBoard {
  /**
   * Answers a GET below `basePath`, which is always the same. NOT_FOUND: there is no such page. BROKER_UNAVAILABLE (outage): Redis does not answer.
   */
  answer(request: Request, basePath: string): Promise<Response>;
  close(): Promise<void>;
}
