import { condition, continueAsNew, sleep, workflowInfo } from '@temporalio/workflow';
import type { RetireInput, RetireUnservedInput } from '../activities/release/retireHost.ts';
import { retryDelayMs } from './backoff.ts';
import { CurrentDetails, paragraphs } from './details.ts';
import { sortFailure } from './failure.ts';
import { Inbox } from './inbox.ts';
import { hostChanged } from '../contracts/messages.ts';
import { atPool, type HostInput } from '../contracts/names.ts';
import { bmcOrTell, kubernetes } from './proxies.ts';
import { readHostChanged, readHostInput } from './readMessages.ts';

const ATTEMPTS = 100;

/**
 * Switches the server of a deleted, unclaimed host off and lets the host go; tried for as long as it takes. It goes
 * only when nothing of an attempt can reach the BMC any more (`inFlight`): the server may be registered again at once.
 */
export async function retireHost(given: HostInput): Promise<string> {
  const input = readHostInput(given);
  const details = new CurrentDetails();
  let pool = input.pool ?? null;
  let changes = 0;
  new Inbox(details).on(hostChanged, readHostChanged, () => void (changes += 1));
  details.show(`**Switches off** host \`${input.namespace}/${input.name}\` before it is deleted`);
  for (let attempt = 1; attempt <= ATTEMPTS && !workflowInfo().continueAsNewSuggested; attempt += 1) {
    const nextAttemptInMs = retryDelayMs(attempt);
    const summary = `Switches host ${input.name} off before it is deleted (attempt ${attempt})`;
    const asked = { host: input, attempt, nextAttemptInMs };
    try {
      const result = await bmcOrTell(pool ?? undefined)
        .retireHost.executeWithOptions({ summary }, [asked])
        .catch((error: unknown) => toldUnserved(asked, error));
      if (result.kind === 'pending') {
        pool = result.pool;
        details.show(
          `**Waits** for a worker that switches host \`${input.namespace}/${input.name}\` off before it is deleted`,
        );
        continue;
      }
      if (result.kind === 'notDue') return result.message;
      if (result.kind === 'inFlight') {
        await sleep(Math.max(1_000, Date.parse(result.until) - Date.now()), {
          summary: `Until nothing can arrive at the BMC of ${input.name} any more`,
        });
        continue;
      }
      const { secrets } = result;
      const letGo = { summary: `Lets ${input.name} go` };
      const left = await kubernetes.letHostGo.executeWithOptions(letGo, [{ host: input, secrets }]);
      if (left.kind === 'notDue') return left.message;
      return `host ${input.namespace}/${input.name} was retired`;
    } catch (error) {
      const failed = sortFailure(error);
      if (failed.kind === 'cancelled' || failed.kind === 'otherInstallation') throw error;
      if (failed.kind === 'claimLost') return failed.message;
      // The activity itself had no time to tell it, or it was lost. What it answers, the next attempt finds too.
      if (failed.kind === 'unconfirmed') {
        await tell({ ...asked, unconfirmed: failed.message }, 'how its attempt was cut short').catch(unlessClaimLost);
      }
      const seen = changes;
      details.show(
        paragraphs(
          `**Waits** to switch host \`${input.namespace}/${input.name}\` off before it is deleted (attempt ${attempt} failed)`,
          `Last error: ${failed.message}`,
        ),
      );
      await condition(() => changes > seen, failed.kind === 'shutdown' ? 1 : nextAttemptInMs, {
        summary: `Next attempt: ${failed.message}`.slice(0, 200),
      });
    }
  }
  return continueAsNew<typeof retireHost>(atPool(input, pool));
}

/** No worker takes it: that is told on the host, and the operator may have said to do without. */
function toldUnserved(asked: RetireInput, error: unknown) {
  if (sortFailure(error).kind !== 'noWorker') throw error;
  return tell(asked, 'that no worker takes it');
}

function tell(input: RetireUnservedInput, what: string) {
  return kubernetes.retireHostUnserved.executeWithOptions({ summary: `Tells on host ${input.host.name} ${what}` }, [
    input,
  ]);
}

function unlessClaimLost(error: unknown): void {
  if (sortFailure(error).kind !== 'claimLost') throw error;
}
