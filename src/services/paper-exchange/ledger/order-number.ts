/** The number of an order in its session, from our own form of client order id. Null: it has another form. */
export function orderNumberOf(clientOrderId: string | undefined): number | null {
  const digits = clientOrderId === undefined ? undefined : /-(\d{1,9})$/.exec(clientOrderId)?.[1];
  return digits === undefined ? null : Number(digits);
}
