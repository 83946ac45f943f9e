/** What Bun's WebSocket has and Elysia's type of it leaves out (1.4.30). */
declare module "elysia/ws/bun" {
  interface ServerWebSocket<T = undefined> {
    /** Bytes that were sent and that the operating system has not taken yet. */
    getBufferedAmount(): number;
  }
}

export {};
