import { setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import type { MachinePhase } from '../crds/beskar7Machine.ts';
import { hasAttributes, hostKey, phaseKey } from './attributes.ts';
import { hostLink, paragraphs, runLink, temporalLine, type CurrentDetails } from './details.ts';
import type { Inbox } from './inbox.ts';
import { progress, type Progress } from '../contracts/messages.ts';
import { workflowId, type MachineInput } from '../contracts/names.ts';

/** What a person sees of a run: the query `progress`, the current details and the search attributes of the Web UI. */
export class ProgressReporter {
  #now: Progress;
  readonly #machine: MachineInput;
  readonly #hasAttributes: boolean;
  readonly #current: CurrentDetails;

  constructor(machine: MachineInput, details: CurrentDetails, inbox: Inbox) {
    this.#machine = machine;
    this.#current = details;
    this.#hasAttributes = hasAttributes();
    this.#now = { phase: 'Pending', attempt: 1, since: new Date().toISOString() };
    setHandler(progress, () => {
      const dropped = inbox.dropped();
      return dropped === undefined ? this.#now : { ...this.#now, dropped };
    });
  }

  /** A new phase, or another host. */
  report(phase: MachinePhase, rest: Omit<Progress, 'phase' | 'since'>): void {
    const isNewPhase = phase !== this.#now.phase;
    const isNewHost = rest.host !== undefined && rest.host !== this.#now.host;
    this.#now = { ...rest, phase, since: isNewPhase ? new Date().toISOString() : this.#now.since };
    this.#current.show(this.#details());
    if (!this.#hasAttributes || !(isNewPhase || isNewHost)) return;
    upsertSearchAttributes([
      ...(isNewPhase ? [{ key: phaseKey, value: phase }] : []),
      ...(isNewHost && rest.host !== undefined ? [{ key: hostKey, value: rest.host }] : []),
    ]);
  }

  #details(): string {
    const { phase, host, attempt, waitingFor, since, deadline, claim, why } = this.#now;
    const { namespace, name } = this.#machine;
    const id = workflowId('provision', this.#machine);
    return paragraphs(
      `**${phase}** since ${since} – machine \`${namespace}/${name}\``,
      why,
      host === undefined
        ? undefined
        : `Host ${hostLink({ namespace, host })}${claim ? `, claim \`${claim}\`` : ''}, attempt ${attempt}`,
      waitingFor === undefined ? undefined : `Waits for ${waitingFor}${deadline ? `, until ${deadline} at most` : ''}`,
      `Events and conditions: \`kubectl -n ${namespace} describe b7m ${name}\``,
      phase === 'Failed'
        ? `Try again: \`kubectl -n ${namespace} annotate b7m ${name} beskar7.io/retry="$(date +%s)" --overwrite\``
        : undefined,
      phase === 'Failed' && host !== undefined
        ? `Where the host is not free yet, its release continues in ${runLink(workflowId('release', { namespace, name: host }))}`
        : undefined,
      phase === 'Failed' || phase === 'Provisioned' ? undefined : `Cancel: ${temporalLine('cancel', id)}`,
    );
  }
}
