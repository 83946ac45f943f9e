import type { Severity } from "#shared/alerts/alert-kinds.ts";

/** What makes an alert one. */
export interface AlertKey {
  scope: string;
  code: string;
}

/** An alert that people were told of, or will be once it is silenced no more. */
export interface ToldAlert extends AlertKey {
  /** As it was raised with. */
  severity: Severity;
  raisedAtMs: number;
  /** When it was over, UTC epoch milliseconds; null: it is open. */
  overAtMs: number | null;
  /** Ids of the recipients that were told of it, and will be told of its end. */
  told: readonly string[];
  /** Whether its last news was told to nobody, since a person has silenced it: it is told after the silence. */
  silenced: boolean;
}

/** An alert that is raised, before anyone is told. Who was told of an earlier one and not of its end is told of this one's. */
export function afterRaised(
  before: ToldAlert | undefined,
  raised: AlertKey & { severity: Severity; atMs: number },
  silenced: boolean,
): ToldAlert {
  const { scope, code, severity, atMs } = raised;
  return { scope, code, severity, raisedAtMs: atMs, overAtMs: null, told: before?.told ?? [], silenced };
}

/** An alert that is over. Null: nothing is left to tell of it. */
export function afterOver(before: ToldAlert, atMs: number, silenced: boolean): ToldAlert | null {
  return silenced && before.told.length > 0 ? { ...before, overAtMs: atMs, silenced } : null;
}

/** An alert that these recipients were told of now. */
export function afterTold(before: ToldAlert, recipientIds: readonly string[]): ToldAlert {
  return { ...before, silenced: false, told: [...new Set([...before.told, ...recipientIds])] };
}

/** The alerts of a transaction, which has locked them, with what becomes of them. */
export class ToldAlerts {
  private readonly alerts: Map<string, ToldAlert>;
  private readonly changes = new Map<string, AlertKey>();

  constructor(locked: readonly ToldAlert[]) {
    this.alerts = new Map(locked.map((alert) => [keyOf(alert), alert]));
  }

  get(key: AlertKey): ToldAlert | undefined {
    return this.alerts.get(keyOf(key));
  }

  /** Keeps an alert as it is now. Null: no more. */
  put({ scope, code }: AlertKey, alert: ToldAlert | null): void {
    const key = keyOf({ scope, code });
    this.changes.set(key, { scope, code });
    if (alert === null) this.alerts.delete(key);
    else this.alerts.set(key, alert);
  }

  /** What is to be written, and whose rows are to go. */
  changed(): { kept: ToldAlert[]; gone: AlertKey[] } {
    const kept: ToldAlert[] = [];
    const gone: AlertKey[] = [];
    for (const [key, at] of this.changes) {
      const alert = this.alerts.get(key);
      if (alert === undefined) gone.push(at);
      else kept.push(alert);
    }
    return { kept, gone };
  }
}

function keyOf({ scope, code }: AlertKey): string {
  return `${code} ${scope}`;
}
