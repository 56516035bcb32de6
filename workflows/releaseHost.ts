import { condition, continueAsNew, getExternalWorkflowHandle } from '@temporalio/workflow';
import type { ClaimRef } from '../contracts/claimRef.ts';
import type { UnservedInput } from '../activities/release/releaseHost.ts';
import { attemptBmc, BACKOFF, waitAfter } from './bmcAttempt.ts';
import { CurrentDetails, hostLink, paragraphs } from './details.ts';
import { Inbox } from './inbox.ts';
import { sortFailure } from './failure.ts';
import { claimEnded, hostChanged } from '../contracts/messages.ts';
import { workflowId, type ReleaseInput } from '../contracts/names.ts';
import { bmcActivities, kubernetes } from './proxies.ts';
import { readHostChanged, readReleaseInput } from './readMessages.ts';
import { RELEASE_TIMEOUT_MS } from '../model/deadlines.ts';

/** How many attempts one run makes before it continues in a fresh history. */
const ATTEMPTS = 100;

/**
 * Releases a host whose claim is in stage `Releasing`; there is one of it for each host, and no other run calls the BMC
 * of one that is being released (docs/decisions/0023). It is tried for as long as it takes, at once when the host
 * changes (a force-release, other credentials); meanwhile the host stays claimed, and in Error. With `orphanAfterMs` it
 * first makes sure that the machine is gone. Result: a sentence for the operator.
 */
export async function releaseHost(given: ReleaseInput): Promise<string> {
  const input = readReleaseInput(given);
  const details = new CurrentDetails();
  let changes = 0;
  const inbox = new Inbox(details);
  inbox.on(hostChanged, readHostChanged, () => void (changes += 1));
  if (input.orphanAfterMs !== undefined) {
    const held = await awaitOrphaned(input, input.orphanAfterMs, { details, inbox, changes: () => changes });
    if (held !== undefined) return held;
  }
  const host = hostLink({ namespace: input.namespace, host: input.name });
  details.show(`**Releases** host ${host}`);
  const claim =
    claimOf(input) ??
    (await kubernetes.findReleasing.executeWithOptions({ summary: `Finds the claim on ${input.name}` }, [input]));
  if (!claim)
    return `host ${input.namespace}/${input.name} is not being released: its claim ${input.claim} has ended, or is in use`;
  let attempts = 0;
  let heard = changes;
  const isDone = await tryRelease(
    claim,
    () => (attempts += 1) < ATTEMPTS && !inbox.isFull(),
    async (delayMs, summary) => {
      details.show(
        paragraphs(
          `**Waits** until ${new Date(Date.now() + delayMs).toISOString()} to release host ${host}`,
          summary,
          `When its BMC will never answer and you have seen that the server is off: \`kubectl -n ${input.namespace} annotate ph ${input.name} beskar7.io/force-release="<why>"\``,
        ),
      );
      // What was signalled while the attempt ran counts: it may have come after the attempt had read the host.
      await condition(() => changes > heard, delayMs, { summary });
      heard = changes;
    },
  );
  if (!isDone) await continueAsNew<typeof releaseHost>(input);
  await reportReleasing(claim);
  return `host ${input.namespace}/${input.name} was released`;
}

/** The claim as its input names it. Of an orphan it is looked up once its machine was found missing. */
function claimOf({ namespace, name: host, uid: hostUid, claim: id, pool, machine, orphanAfterMs }: ReleaseInput) {
  if (machine === undefined || orphanAfterMs !== undefined) return undefined;
  return { namespace, host, hostUid, id, machine, ...(pool === undefined ? {} : { pool }) } satisfies ClaimRef;
}

/**
 * Two looks for the machine, so far apart; more of them when the host changes meanwhile. Gives why nothing is to be
 * released.
 */
async function awaitOrphaned(
  input: ReleaseInput,
  orphanAfterMs: number,
  { details, inbox, changes }: { details: CurrentDetails; inbox: Inbox; changes(): number },
): Promise<string | undefined> {
  let missingSince: number | undefined;
  for (;;) {
    const seen = changes();
    const isSecondLook = missingSince !== undefined && Date.now() - missingSince >= orphanAfterMs;
    const look = await kubernetes.lookForConsumer.executeWithOptions(
      { summary: `Looks whether the machine that holds ${input.name} is gone` },
      [{ host: input, isSecondLook }],
    );
    if (look.kind === 'held') return look.message;
    if (look.kind === 'releasing') return undefined;
    missingSince ??= Date.now();
    const leftMs = Math.max(1, missingSince + orphanAfterMs - Date.now());
    // The first look counts for the next history: what is left is waited there.
    if (inbox.isFull()) await continueAsNew<typeof releaseHost>({ ...input, orphanAfterMs: leftMs });
    details.show(
      `**Waits** whether the machine that holds host ${hostLink({ namespace: input.namespace, host: input.name })} comes back, until ${new Date(Date.now() + leftMs).toISOString()}`,
    );
    await condition(() => changes() > seen, leftMs, {
      summary: `Second look for the machine that holds ${input.name}`,
    });
  }
}

/** Tries until it is done; `mayTryAgain` is asked before each wait. Returns whether it is done. */
async function tryRelease(
  claim: ClaimRef,
  mayTryAgain: (delayMs: number) => boolean,
  wait: (delayMs: number, summary: string) => Promise<unknown>,
): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    const nextAttemptInMs = waitAfter(BACKOFF.release, attempt);
    const summary = `Switches host ${claim.host} off, sees it off, and frees it (attempt ${attempt})`;
    const input = { claim, attempt, nextAttemptInMs };
    const call = () =>
      bmcActivities(claim.pool, RELEASE_TIMEOUT_MS).releaseHost.executeWithOptions({ summary }, [input]);
    const released = await attemptBmc(call, BACKOFF.release, attempt);
    if (released.kind === 'done' || released.kind === 'claimLost') return true;
    if (released.kind === 'noWorker') {
      const reported = await report(input, 'that no worker takes its release');
      if (reported.kind !== 'pending') return true;
      if (!mayTryAgain(0)) return false;
      // It was no attempt, and waits in the queue again: the first worker of the pool takes it at once.
      attempt -= 1;
      continue;
    }
    if (released.cause === 'shutdown') continue;
    if (released.isUnreported) {
      const reported = await report({ ...input, unconfirmed: released.message }, 'how its release was cut short');
      if (reported.kind !== 'pending') return true;
    }
    if (!mayTryAgain(released.waitMs)) return false;
    await wait(released.waitMs, `Next attempt to release host ${claim.host}: ${released.message}`.slice(0, 200));
  }
}

/**
 * Tells why an attempt came to nothing, where the activity itself could not, and looks for the force-release
 * annotation.
 */
async function report(input: UnservedInput, what: string) {
  try {
    const summary = `Tells on host ${input.claim.host} ${what}`;
    return await kubernetes.releaseHostUnserved.executeWithOptions({ summary }, [input]);
  } catch (error) {
    if (sortFailure(error).kind !== 'claimLost') throw error;
    return { kind: 'ended' } as const;
  }
}

/** Runs that may wait for the end of the claim. A hint: they look themselves, and often none is open. */
async function reportReleasing({ id, machine }: ClaimRef): Promise<void> {
  const kinds = ['provision', 'deprovision'] as const;
  await Promise.allSettled(
    kinds.map((kind) => getExternalWorkflowHandle(workflowId(kind, machine)).signal(claimEnded, { claim: id })),
  );
}
