/**
 * Called immediately before a changing request is written, in the same tick; throws to refuse it, and then nothing is
 * written. The fence of rule 2.
 */
export type BeforeSend = () => void;

/** What every call that changes something at a BMC needs. */
export interface MutateOptions {
  /** Cancels waiting, and the request in flight. */
  signal?: AbortSignal;
  /**
   * Runs after the BMC's lock and connection are held and before the write, once for each request written: reads the host
   * live and gives the synchronous last-instant check (which throws when more than 2 s passed since that read began).
   */
  fence: () => Promise<BeforeSend>;
  /** `beskar7 (<claim id>)`: names the claim on whose behalf the BMC is changed. */
  userAgent: string;
  /** To the front of the BMC's lock: for Off. */
  urgent?: boolean;
}
