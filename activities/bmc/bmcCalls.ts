import { log } from '@temporalio/activity';
import { callsUntil, callsUntilPatch, callsUntilText } from '../../model/callsUntil.ts';
import { CLOCKS_APART_MS, IN_FLIGHT_MS } from '../../model/deadlines.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isClaimLost, landingOf, retryable } from '../failures.ts';
import { patchHost } from '../store/hostStore.ts';

/** Which host, and for how long the activity calls its BMC at most. */
export interface CallsOf {
  readonly namespace: string;
  readonly host: string;
  readonly limitMs: number;
}

/**
 * What one activity has under way at the BMC of a host, as it stands on the host (`beskar7.io/calls-until`,
 * docs/decisions/0022): written before the first request that changes something, cleared when the end of each is
 * confirmed, left where it is not. So whoever frees the host knows how long something may still arrive, whatever became
 * of the run or worker that sent it.
 *
 * The instant is a fencing token too: a request goes out only while it is the one that this activity wrote (`passes`).
 * Whoever takes it over (`take`) thereby ends what another, lost or late, could still start, and waits (`settledAt`)
 * for what that had started.
 */
export class BmcCalls {
  readonly #kube: KubeClient;
  readonly #of: CallsOf;
  /** What this activity has written or tried to write. */
  readonly #written = new Set<string>();
  #latest: PhysicalHost | undefined;
  #settledAt = 0;

  constructor(kube: KubeClient, of: CallsOf) {
    this.#kube = kube;
    this.#of = of;
  }

  /**
   * Until when something that others sent may still arrive (ms since the epoch); 0 or past: nothing. Known once `take`
   * was called.
   */
  get settledAt(): number {
    return this.#settledAt;
  }

  /** The host as this activity last wrote it. */
  get latest(): PhysicalHost | undefined {
    return this.#latest;
  }

  /** Runs `body`, and then says on the host what of its calls may still arrive. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    let mayLand = false;
    try {
      return await body();
    } catch (error) {
      mayLand = landingOf(error) !== undefined;
      throw error;
    } finally {
      await this.#end(mayLand);
    }
  }

  /**
   * Whether a request may be written now, by a host that was read live. False: `take` comes first. Throws when another
   * activity has taken the calls to this BMC over.
   */
  passes(live: PhysicalHost): boolean {
    const text = callsUntilText(live);
    if (this.#written.size === 0) return false;
    if (text === undefined || !this.#written.has(text)) {
      const { namespace, host } = this.#of;
      throw retryable(`another activity calls the BMC of host ${namespace}/${host} by now: nothing was sent`);
    }
    return Date.parse(text) - Date.now() >= IN_FLIGHT_MS;
  }

  /**
   * For a merge patch of the host: the calls of this activity start, and those of any other end. The write has to be a
   * compare-and-swap.
   */
  begin(live: PhysicalHost): Record<string, string | null> {
    const text = callsUntilText(live);
    const now = Date.now();
    if (text === undefined || !this.#written.has(text))
      this.#settledAt = Math.max(this.#settledAt, callsUntil(live, IN_FLIGHT_MS, now) ?? 0);
    const wanted = now + this.#of.limitMs + IN_FLIGHT_MS;
    // Never the instant of another: it tells whose calls pass.
    const atMs = text === new Date(wanted).toISOString() ? wanted + 1 : wanted;
    const patch = callsUntilPatch(atMs);
    for (const written of Object.values(patch)) if (written !== null) this.#written.add(written);
    return patch;
  }

  /** Notes the host as it was written with `begin`. */
  note(written: PhysicalHost): PhysicalHost {
    this.#latest = written;
    return written;
  }

  /** Writes that calls start; `check` throws what forbids it, and sees the host as it is swapped. */
  async take(live: PhysicalHost, check: (host: PhysicalHost) => void): Promise<PhysicalHost> {
    const change = (host: PhysicalHost) => {
      check(host);
      return { metadata: { annotations: this.begin(host) } };
    };
    return this.note(await patchHost(this.#kube, this.#of, change, live));
  }

  /** A failure leaves what stands there, which is later: nothing fails with it. */
  async #end(mayLand: boolean): Promise<void> {
    if (this.#written.size === 0) return;
    try {
      const now = Date.now();
      const untilMs = Math.max(this.#settledAt, mayLand ? now + IN_FLIGHT_MS + CLOCKS_APART_MS : 0);
      const change = (host: PhysicalHost) => {
        const text = callsUntilText(host);
        if (text === undefined || !this.#written.has(text)) return undefined;
        return { metadata: { annotations: callsUntilPatch(untilMs > now ? untilMs : undefined) } };
      };
      this.#latest = await patchHost(this.#kube, this.#of, change, this.#latest);
    } catch (error) {
      // With the host, what was under way for it has ended.
      if (isClaimLost(error)) return;
      const { namespace, host } = this.#of;
      log.warn('the record of calls in flight (calls-until) could not be cleared', { namespace, host, err: error });
    }
  }
}

/**
 * Until when something that was sent for the host may still arrive at its BMC, in ms since the epoch; undefined:
 * nothing, also when the host is gone. For a caller that sends nothing itself: from here on no other one starts a call
 * either, unless an activity takes the calls again.
 */
export async function settle(
  kube: KubeClient,
  key: { readonly namespace: string; readonly host: string },
  start?: PhysicalHost,
): Promise<number | undefined> {
  let settledAt: number | undefined;
  try {
    await patchHost(
      kube,
      key,
      (live) => {
        settledAt = callsUntil(live, IN_FLIGHT_MS);
        // Not later than that, and no request passes with so little left.
        const isSettling = settledAt !== undefined && Date.parse(callsUntilText(live) ?? '') === settledAt;
        return settledAt === undefined || isSettling
          ? undefined
          : { metadata: { annotations: callsUntilPatch(settledAt) } };
      },
      start,
    );
  } catch (error) {
    if (!isClaimLost(error)) throw error;
    return undefined;
  }
  return settledAt;
}
