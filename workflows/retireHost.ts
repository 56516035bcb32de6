import { condition, continueAsNew, sleep, workflowInfo } from '@temporalio/workflow';
import type { RetireInput, RetireUnservedInput } from '../activities/release/retireHost.ts';
import { attemptBmc, BACKOFF, waitAfter } from './bmcAttempt.ts';
import { CurrentDetails, paragraphs } from './details.ts';
import { sortFailure } from './failure.ts';
import { Inbox } from './inbox.ts';
import { hostChanged } from '../contracts/messages.ts';
import { atPool, type HostInput } from '../contracts/names.ts';
import { bmcActivities, kubernetes } from './proxies.ts';
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
    const nextAttemptInMs = waitAfter(BACKOFF.retire, attempt);
    const summary = `Switches host ${input.name} off before it is deleted (attempt ${attempt})`;
    const asked = { host: input, attempt, nextAttemptInMs };
    const retired = await attemptBmc(() => retire(asked, pool, summary), BACKOFF.retire, attempt);
    if (retired.kind === 'claimLost') return retired.message;
    if (retired.kind === 'done') {
      const { result } = retired;
      switch (result.kind) {
        case 'pending':
          pool = result.pool;
          details.show(
            `**Waits** for a worker that switches host \`${input.namespace}/${input.name}\` off before it is deleted`,
          );
          break;
        case 'inFlight':
          await sleep(Math.max(1_000, Date.parse(result.until) - Date.now()), {
            summary: `Until nothing can arrive at the BMC of ${input.name} any more`,
          });
          break;
        case 'notDue':
        case 'retired':
          return result.message;
      }
      continue;
    }
    // The activity itself had no time to tell it, or it was lost. What it answers, the next attempt finds too.
    if (retired.kind === 'failed' && retired.cause === 'unconfirmed')
      await report({ ...asked, unconfirmed: retired.message }, 'how its attempt was cut short').catch(unlessClaimLost);
    const seen = changes;
    details.show(
      paragraphs(
        `**Waits** to switch host \`${input.namespace}/${input.name}\` off before it is deleted (attempt ${attempt} failed)`,
        `Last error: ${retired.message}`,
      ),
    );
    await condition(() => changes > seen, retired.kind === 'failed' ? retired.waitMs : nextAttemptInMs, {
      summary: `Next attempt: ${retired.message}`.slice(0, 200),
    });
  }
  return continueAsNew<typeof retireHost>(atPool(input, pool));
}

/** One attempt: off, and once its server is off and nothing is in flight, the host goes. */
async function retire(asked: RetireInput, pool: string | null, summary: string) {
  const { host } = asked;
  const result = await bmcActivities(pool ?? undefined)
    .retireHost.executeWithOptions({ summary }, [asked])
    .catch((error: unknown) => reportUnserved(asked, error));
  if (result.kind !== 'off') return result;
  const letGo = { summary: `Lets ${host.name} go` };
  const left = await kubernetes.removeHostFinalizer.executeWithOptions(letGo, [{ host, secrets: result.secrets }]);
  if (left.kind === 'notDue') return left;
  return { kind: 'retired', message: `host ${host.namespace}/${host.name} was retired` } as const;
}

/** No worker takes it: that is reported on the host, and the operator may have said to do without. */
function reportUnserved(asked: RetireInput, error: unknown) {
  if (sortFailure(error).kind !== 'noWorker') throw error;
  return report(asked, 'that no worker takes it');
}

function report(input: RetireUnservedInput, what: string) {
  return kubernetes.retireHostUnserved.executeWithOptions({ summary: `Tells on host ${input.host.name} ${what}` }, [
    input,
  ]);
}

function unlessClaimLost(error: unknown): void {
  if (sortFailure(error).kind !== 'claimLost') throw error;
}
