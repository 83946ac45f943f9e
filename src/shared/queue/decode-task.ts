import { AppError } from "#shared/errors/app-error.ts";
import type { TaskRow } from "./lane-rows.ts";
import type { Task, TaskType } from "./queue.ts";

/** Makes tasks of rows, with the payload validated. Throws UNDECODABLE (permanent) for a type or payload that is not known. */
export function createTaskDecoder(types: readonly TaskType[]): (row: TaskRow, attempts: number) => Task {
  const byType = new Map(types.map((type) => [type.type, type]));
  return (row, attempts) => {
    const payload = byType.get(row.type)?.payload.safeParse(row.payload);
    if (payload?.success !== true) {
      throw new AppError(
        "UNDECODABLE",
        "permanent",
        `The task's type "${row.type}" or its payload is not understood.`,
        {
          details: { taskId: row.id, type: row.type },
          cause: payload?.error,
        },
      );
    }
    return {
      id: row.id,
      queue: row.queue,
      type: row.type,
      lane: row.lane,
      seq: row.seq,
      payload: payload.data,
      attempts,
      createdAtMs: row.created_at_ms,
      ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    };
  };
}
