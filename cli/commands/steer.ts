import { randomUUID } from 'node:crypto';
import { ANNOTATION_FORCE_RELEASE, ANNOTATION_RETRY } from '../../crds/names.ts';
import { HOSTS, MACHINES, type Identified, type Resource } from '../../kube/resource.ts';
import { pinned, swap } from '../../kube/swap.ts';
import { hostActions, machineActions } from '../../view/actions.ts';
import type { Action } from '../../web/shared/api.ts';
import { workflowId } from '../../contracts/names.ts';
import { CliError, EXIT } from '../exit.ts';
import { referenceOf } from '../output.ts';
import { nameOf, read } from '../references.ts';
import { describe, isOpen } from '../runs.ts';
import type { Session } from '../session.ts';

/** Flags of the commands that change something; `yes`: without a question. */
export interface SteerFlags {
  readonly yes?: boolean;
  readonly output: 'text' | 'name';
}

/** Longest reason that is taken. */
const MAX_REASON = 1000;

/** `kubectl beskar7 retry <machine...>`: the annotation `beskar7.io/retry` with a new value. */
export async function retry(session: Session, texts: readonly string[], flags: SteerFlags): Promise<void> {
  for (const name of texts.map((text) => nameOf(text, 'machine'))) {
    const machine = await annotate(session, MACHINES, name, (found) => {
      requireSensible(found, machineActions(found), 'retry');
      return { [ANNOTATION_RETRY]: new Date(session.io.nowMs()).toISOString() };
    });
    done(session, flags, MACHINES, machine, 'retry requested; a new provisioning starts in a moment');
  }
}

/** `kubectl beskar7 cancel <machine...>`: the cancel of Temporal for the provisioning that is open. */
export async function cancel(
  session: Session,
  texts: readonly string[],
  flags: SteerFlags & { readonly reason?: string },
): Promise<void> {
  for (const name of texts.map((text) => nameOf(text, 'machine'))) {
    const machine = await read(session, MACHINES, name);
    const action = requireSensible(machine, machineActions(machine), 'cancel');
    const temporal = await session.temporal();
    const { namespace } = machine.metadata;
    const run = await describe(temporal, workflowId('provision', { namespace, name }));
    if (run === undefined || !isOpen(run))
      throw new CliError(EXIT.refused, `No provisioning of ${name} is in flight, so there is nothing to cancel.`);
    await confirm(session, flags, `Cancel the provisioning of machine ${namespace}/${name}?`, action);
    const { client, namespace: temporalNamespace } = temporal;
    // As `temporal workflow cancel` does; by the id of the run that was confirmed.
    await client.withDeadline(Date.now() + session.timeoutMs, () =>
      client.workflowService.requestCancelWorkflowExecution({
        namespace: temporalNamespace,
        workflowExecution: { workflowId: run.workflowId, runId: run.runId },
        identity: client.options.identity,
        requestId: randomUUID(),
        reason: flags.reason ?? 'kubectl beskar7 cancel',
      }),
    );
    done(session, flags, MACHINES, machine, 'cancel requested; its server is powered off, and power-off is confirmed');
  }
}

/** `kubectl beskar7 force-release <host> --reason ...`: the annotation `beskar7.io/force-release` with the reason. */
export async function forceRelease(
  session: Session,
  text: string,
  flags: SteerFlags & { readonly reason: string },
): Promise<void> {
  const reason = flags.reason.trim();
  if (reason === '') throw new CliError(EXIT.usage, 'Give a reason with --reason: it is kept in an event.');
  if (reason.length > MAX_REASON) throw new CliError(EXIT.usage, `The reason is longer than ${MAX_REASON} characters.`);
  const host = await read(session, HOSTS, nameOf(text, 'host'));
  const { namespace, name, uid } = host.metadata;
  const action = requireSensible(host, hostActions(host), 'force-release');
  await confirm(session, flags, `Free host ${namespace}/${name} without confirmed power-off?`, action);
  await annotate(session, HOSTS, name, (found) => {
    // What was confirmed is about this object and its state.
    if (found.metadata.uid !== uid)
      throw new CliError(EXIT.refused, `${name} is another host by now: look at it again.`);
    requireSensible(found, hostActions(found), 'force-release');
    return { [ANNOTATION_FORCE_RELEASE]: reason };
  });
  done(session, flags, HOSTS, host, 'released by force; its claim ends in a moment');
}

/** A compare-and-swap, so that nothing is asked of an object that is another one by now. */
async function annotate<T extends Identified>(
  session: Session,
  resource: Resource<T>,
  name: string,
  annotationsFor: (object: T) => Record<string, string>,
): Promise<T> {
  const kube = await session.kube();
  return swap({
    what: `${resource.kind} ${name}`,
    read: () => read(session, resource, name),
    write: (object) => {
      const patch = pinned(object, { metadata: { annotations: annotationsFor(object) } });
      return kube.mergePatch(resource, object.metadata.namespace ?? '', name, patch);
    },
  });
}

/** The action, where it makes sense now. Throws refused with the reason. */
function requireSensible({ metadata }: Identified, actions: readonly Action[], kind: Action['kind']): Action {
  const action = actions.find((one) => one.kind === kind);
  if (action === undefined || action.refusal !== undefined)
    throw new CliError(EXIT.refused, `${metadata.name}: ${action?.refusal ?? `there is no ${kind} for it.`}`);
  return action;
}

/** Says what will happen and asks; `--yes` has answered. Throws refused. */
async function confirm(
  session: Session,
  { yes }: SteerFlags,
  question: string,
  { consequences }: Action,
): Promise<void> {
  if (yes === true) return;
  for (const line of consequences) session.io.tell(`- ${line}`);
  const answer = await session.io.confirm(question);
  if (answer === undefined)
    throw new CliError(EXIT.refused, 'Nothing was done: there is no terminal for the confirmation; use --yes.');
  if (!answer) throw new CliError(EXIT.refused, 'Nothing was done.');
}

function done<T extends Identified>(
  { io }: Session,
  { output }: SteerFlags,
  resource: Resource<T>,
  object: T,
  what: string,
): void {
  io.out(`${referenceOf(resource, object)}${output === 'name' ? '' : ` ${what}`}\n`);
}
