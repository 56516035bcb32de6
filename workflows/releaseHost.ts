import { condition, continueAsNew } from '@temporalio/workflow';
import { CurrentDetails, hostLink, paragraphs } from './details.ts';
import { Inbox } from './inbox.ts';
import { hostChanged } from '../contracts/messages.ts';
import type { ReleaseInput } from '../contracts/names.ts';
import { kubernetes } from './proxies.ts';
import { readHostChanged, readReleaseInput } from './readMessages.ts';
import { tryRelease } from './release.ts';

/** How many attempts one run makes before it goes on in a fresh history. */
const ATTEMPTS = 100;

/**
 * Goes on with a release that did not succeed at once: the host stays claimed and in Error, and is tried for as long as it takes,
 * at once when the host changes (a force-release, other credentials). With `orphanAfterMs` it first makes sure that the machine is gone.
 * Result: a sentence for the operator.
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
  const claim = await kubernetes.findClaim.executeWithOptions({ summary: `Finds the claim on ${input.name}` }, [input]);
  if (!claim) return `the claim ${input.claim} on host ${input.namespace}/${input.name} has ended`;
  const marked = await kubernetes.markReleasing.executeWithOptions(
    { summary: `Marks host ${input.name} as being released` },
    [{ claim, reason: 'release goes on', stages: [] }],
  );
  if (marked.kind === 'ended') return `the claim ${input.claim} on host ${input.namespace}/${input.name} has ended`;
  let attempts = 0;
  let heard = changes;
  // Whether the run before confirmed its end is not known here: what it sent may still arrive, until D after this. Not after this run began,
  // which is the time of the first one where it was reset.
  const since = new Date(Math.max(Date.parse(marked.since), Date.now())).toISOString();
  const isDone = await tryRelease(
    { claim, isUnconfirmed: true },
    { ...marked, since },
    () => (attempts += 1) < ATTEMPTS && !inbox.isFull(),
    async (delayMs, summary) => {
      details.show(
        paragraphs(
          `**Waits** until ${new Date(Date.now() + delayMs).toISOString()} to release host ${host}`,
          summary,
          `When its BMC will never answer and you have seen that the server is off: \`kubectl -n ${input.namespace} annotate ph ${input.name} beskar7.io/force-release="<why>"\``,
        ),
      );
      // What was told while the attempt ran counts: it may have come after the attempt had read the host.
      await condition(() => changes > heard, delayMs, { summary });
      heard = changes;
    },
  );
  if (!isDone) await continueAsNew<typeof releaseHost>(input);
  return `host ${input.namespace}/${input.name} was released`;
}

/** Two looks for the machine, so far apart; more of them when the host changes meanwhile. Gives why nothing is to be released. */
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
