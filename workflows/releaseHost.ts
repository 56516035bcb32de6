import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { hostChanged } from './messages.ts';
import type { ReleaseInput } from './names.ts';
import { kubernetes } from './proxies.ts';
import { tryRelease } from './release.ts';

/** How many attempts one run makes before it goes on in a fresh history. */
const ATTEMPTS = 100;

/**
 * Goes on with a release that did not succeed at once: the host stays claimed and in Error, and is tried for as long as it takes,
 * at once when the host changes (a force-release, other credentials). Result: a sentence for the operator.
 */
export async function releaseHost(input: ReleaseInput): Promise<string> {
  let changes = 0;
  setHandler(hostChanged, () => void (changes += 1));
  const claim = await kubernetes.findClaim(input);
  if (!claim) return `the claim ${input.claim} on host ${input.namespace}/${input.name} has ended`;
  const marked = await kubernetes.markReleasing({ claim, reason: 'release goes on', stages: [] });
  if (marked.kind === 'ended') return `the claim ${input.claim} on host ${input.namespace}/${input.name} has ended`;
  let attempts = 0;
  // Whether the run before confirmed its end is not known here: what it sent may still arrive.
  const isDone = await tryRelease(
    { claim, isUnconfirmed: true },
    marked,
    () => (attempts += 1) < ATTEMPTS && !workflowInfo().continueAsNewSuggested,
    (delayMs, summary) => {
      const seen = changes;
      return condition(() => changes > seen, delayMs, { summary });
    },
  );
  if (!isDone) await continueAsNew<typeof releaseHost>(input);
  return `host ${input.namespace}/${input.name} was released`;
}
