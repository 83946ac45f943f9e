import type { VenueAnswer } from "./binance-answers.ts";
import type { BinanceConnection, BinanceOptions, StreamRequest, VenueRequest } from "./binance-connection.ts";

/**
 * A connection that is made, and whose library is loaded, with the first use: ccxt takes some 40 MB, and most processes of
 * the engine never speak to a venue.
 */
export class LazyConnection {
  readonly #options: BinanceOptions;
  #made: Promise<BinanceConnection> | null = null;

  constructor(options: BinanceOptions) {
    this.#options = options;
  }

  async send(request: VenueRequest): Promise<VenueAnswer> {
    return await (await this.#connection()).send(request);
  }

  async followStream(request: StreamRequest): Promise<void> {
    await (await this.#connection()).followStream(request);
  }

  async close(): Promise<void> {
    await (await this.#made)?.close();
  }

  async #connection(): Promise<BinanceConnection> {
    this.#made ??= import("./binance-connection.ts").then(
      ({ BinanceConnection }) => new BinanceConnection(this.#options),
    );
    return await this.#made;
  }
}
