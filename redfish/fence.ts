/**
 * Called immediately before a changing request is written, in the same tick; throws to refuse it, and then nothing is
 * written. The fence of rule 2.
 */
export type BeforeSend = () => void;

/** What a ComputerSystem shows of the server that it is; texts are one line and bounded, absent: not shown. */
export interface ServerShown {
  /** The last part of the system's path. */
  readonly systemID: string;
  readonly uuid?: string;
  readonly serialNumber?: string;
  /** Some vendors put the service tag here, and the serial number of the board into SerialNumber. */
  readonly sku?: string;
}

/**
 * Called with what was just read of the system, on each read that a call makes of it; throws when that is not the
 * server that the caller means. Then the call fails with `FenceRefused` (its `cause` is what was thrown) and nothing is
 * sent.
 */
export type Identify = (shown: ServerShown) => void;

/** What every call that changes something at a BMC needs. */
export interface MutateOptions {
  /** Cancels waiting, and the request in flight. */
  signal?: AbortSignal;
  /**
   * Runs after the BMC's lock and connection are held and before the write, once for each request written: reads the
   * host live and gives the synchronous last-instant check (which throws when more than 2 s passed since that read
   * started).
   */
  fence: () => Promise<BeforeSend>;
  /** Compares the server on each read of the system that this call makes, so before each write. */
  identify?: Identify;
  /** `beskar7 (<claim id>)`: names the claim on whose behalf the BMC is changed. */
  userAgent: string;
  /** To the front of the BMC's lock: for Off. */
  urgent?: boolean;
}
