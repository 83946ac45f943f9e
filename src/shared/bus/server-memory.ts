/** What a server holds, in bytes. */
export interface ServerMemory {
  usedBytes: number;
  /** Beyond it nothing is taken any more: its own limit, else all that its machine has; 0: not known. */
  mostBytes: number;
}
