import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { sortFailure } from './failure.ts';
import { hostChanged } from './messages.ts';
import type { HostInput } from './names.ts';
import { bmc, kubernetes } from './proxies.ts';
import { retryDelayMs } from './release.ts';

const ATTEMPTS = 100;

/** Switches the server of a deleted, unclaimed host off and lets the host go; tried for as long as it takes. */
export async function retireHost(input: HostInput): Promise<string> {
  let changes = 0;
  setHandler(hostChanged, () => void (changes += 1));
  for (let attempt = 1; attempt <= ATTEMPTS && !workflowInfo().continueAsNewSuggested; attempt += 1) {
    const nextAttemptInMs = retryDelayMs(attempt);
    const summary = `Switches host ${input.name} off before it is deleted (attempt ${attempt})`;
    try {
      const result = await bmc(input.pool).retireHost.executeWithOptions({ summary }, [
        { host: input, attempt, nextAttemptInMs },
      ]);
      if (result.kind === 'notDue') return result.message;
      const { secrets } = result;
      await kubernetes.letHostGo.executeWithOptions({ summary: `Lets ${input.name} go` }, [{ host: input, secrets }]);
      return `host ${input.namespace}/${input.name} was retired`;
    } catch (error) {
      const failed = sortFailure(error);
      if (failed.kind === 'cancelled') throw error;
      if (failed.kind === 'claimLost') return failed.message;
      const seen = changes;
      await condition(() => changes > seen, failed.kind === 'shutdown' ? 1 : nextAttemptInMs, {
        summary: `Next attempt: ${failed.message}`.slice(0, 200),
      });
    }
  }
  return continueAsNew<typeof retireHost>(input);
}
