import { condition, continueAsNew, workflowInfo } from '@temporalio/workflow';
import { attemptBmc, BACKOFF, waitAfter } from './bmcAttempt.ts';
import { CurrentDetails, paragraphs } from './details.ts';
import { Inbox } from './inbox.ts';
import { hostChanged } from '../contracts/messages.ts';
import { atPool, type HostInput } from '../contracts/names.ts';
import { bmcActivities, kubernetes } from './proxies.ts';
import { readHostChanged, readHostInput, readNumber } from './readMessages.ts';

const ATTEMPTS = 50;
/** Never sooner after a failed enrolment, whatever it says itself. */
const SOON_MS = 1_000;

/**
 * Connects to the BMC of a host and makes it Available, however long that takes; tried again at once when the host
 * changes. `failedBefore` carries the count over a fresh history. Result: a sentence for the operator.
 */
export async function enrollHost(given: HostInput, failedBefore = 0): Promise<string> {
  const input = readHostInput(given);
  const details = new CurrentDetails();
  let failures = readNumber(failedBefore);
  const host = `${input.namespace}/${input.name}`;
  let pool = input.pool ?? null;
  let surprises = 0;
  let changedTo: string | undefined;
  new Inbox(details).on(hostChanged, readHostChanged, ({ connectionHash = '' }) => void (changedTo = connectionHash));
  details.show(`**Connects** to the BMC of host \`${host}\``);
  for (let attempt = 1; attempt <= ATTEMPTS && !workflowInfo().continueAsNewSuggested; attempt += 1) {
    const summary = `Connects to the BMC of ${input.name} and reads its hardware`;
    let waitMs: number;
    let usedHash: string | undefined;
    const call = () =>
      bmcActivities(pool ?? undefined).enrollHost.executeWithOptions({ summary }, [{ host: input, failures }]);
    const enrolled = await attemptBmc(call, BACKOFF.enroll, surprises + 1);
    if (enrolled.kind === 'noWorker') {
      const reported = await kubernetes.enrollHostUnserved.executeWithOptions(
        { summary: `Tells on host ${input.name} that no worker takes it` },
        [input],
      );
      if (reported.kind === 'notDue') return reported.message;
      pool = reported.pool;
      details.show(`**Waits** for a worker: ${reported.message}`);
      continue;
    }
    if (enrolled.kind === 'done') {
      const { result } = enrolled;
      if (result.kind === 'enrolled') return `host ${host} is Available`;
      if (result.kind === 'notDue') return result.message;
      failures += 1;
      surprises = 0;
      usedHash = result.connectionHash;
      if (result.pool !== undefined) pool = result.pool;
      // A duration: with a clock behind ours, a time would be over at once, and each attempt is a log-in.
      waitMs = Math.max(SOON_MS, result.retryInMs);
      details.show(
        paragraphs(
          `**Waits** until ${result.nextAttemptAt} after ${failures} failed attempts`,
          `Last error: ${result.message}`,
          `A change of its connection is tried at once, one of its Secret then: \`kubectl -n ${input.namespace} describe ph ${input.name}\``,
        ),
      );
    } else {
      surprises += 1;
      // A lost claim is none of an enrolment: the next attempt finds the host claimed.
      waitMs = enrolled.kind === 'failed' ? enrolled.waitMs : waitAfter(BACKOFF.enroll, surprises);
      details.show(`**Tries again soon**: ${enrolled.message}`);
    }
    await condition(() => changedTo !== undefined && changedTo !== usedHash, waitMs, {
      summary: `Next attempt to enroll ${input.name}`,
    });
    if (changedTo !== undefined && changedTo !== usedHash) failures = 0;
    changedTo = undefined;
  }
  return continueAsNew<typeof enrollHost>(atPool(input, pool), failures);
}
