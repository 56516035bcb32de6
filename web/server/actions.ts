import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../crds/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { ANNOTATION_FORCE_RELEASE, ANNOTATION_RETRY } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { isConflict } from '../../kube/error.ts';
import { HOSTS, MACHINES, type Identified, type Resource } from '../../kube/resource.ts';
import type { Action, ActionResult, ObjectName } from '../shared/api.ts';
import { refusalOf, type Access, type Visitor } from './access.ts';
import type { WebDependencies, WebKube } from './dependencies.ts';
import { WebError } from './errors.ts';

/** Longest reason that is taken; an annotation has more room. */
export const MAX_REASON = 1000;
const TIMEOUT_MS = 10_000;

/** What can be done with a machine; what makes no sense now says why. */
export function machineActions({ metadata, status }: Beskar7Machine): Action[] {
  const { deletionTimestamp } = metadata;
  const phase = status?.phase ?? 'Pending';
  const going = deletionTimestamp === undefined ? undefined : 'The machine is being deleted.';
  const mayRetry = phase === 'Failed';
  const mayCancel = !mayRetry && phase !== 'Provisioned';
  const retryRefusal =
    going ??
    (mayRetry
      ? undefined
      : phase === 'Provisioned'
        ? 'The machine is provisioned: there is nothing to try again.'
        : 'A provisioning is under way: only what has failed is tried again.');
  const cancelRefusal = going ?? (mayCancel ? undefined : 'No provisioning is under way.');
  return [
    {
      kind: 'retry',
      consequences: [
        'A new provisioning begins: it claims a host that fits, perhaps another one than before.',
        'The server is switched off first if it is on, then boots the inspection image.',
        'The same as the annotation beskar7.io/retry with a new value.',
      ],
      ...refused(retryRefusal),
    },
    {
      kind: 'cancel',
      consequences: [
        status?.hostRef === undefined
          ? 'The wait for a host ends.'
          : `The server ${status.hostRef.name} is switched off, and seen off, before it is free for others.`,
        'The machine becomes Failed with the reason Cancelled. It does not begin again by itself.',
        'The same as `temporal workflow cancel`.',
      ],
      ...refused(cancelRefusal),
    },
  ];
}

/** What can be done with a host; what makes no sense now says why. */
export function hostActions(host: PhysicalHost): Action[] {
  const claim = claimOf(host);
  const isOrphan = findCondition(host.status?.conditions, CONDITIONS.consumerMissing)?.status === 'True';
  const isGoing = host.metadata.deletionTimestamp !== undefined;
  const isStuck = claim?.stage === 'Releasing' || isOrphan || (isGoing && claim === undefined);
  return [
    {
      kind: 'force-release',
      consequences: [
        'The claim ends without the server being seen off. If it is not off, its old operating system still runs on it: look at the server first.',
        isGoing ? 'The host goes.' : 'The host is enrolled again, and then offered to other machines.',
        'Your reason is kept in an event.',
        'The same as the annotation beskar7.io/force-release.',
      ],
      ...refused(
        isStuck ? undefined : 'The host is not being released: delete its machine, and it is released in good order.',
      ),
    },
  ];
}

function refused(refusal: string | undefined): Pick<Action, 'refusal'> {
  return refusal === undefined ? {} : { refusal };
}

/** The actions of an object as the visitor may do them: those that are not allowed say why. */
export async function offered(
  access: Access,
  visitor: Visitor,
  kind: 'hosts' | 'machines',
  object: Identified,
  actions: readonly Action[],
): Promise<Action[]> {
  const { namespace = '', name } = object.metadata;
  const isAllowed = await access.may(visitor, 'patch', kind, namespace, name);
  return actions.map((action) =>
    isAllowed ? action : { ...action, refusal: refusalOf(visitor, 'patch', kind, namespace) },
  );
}

/** Does what the docs tell operators to do by hand, as the visitor. Each throws 403, 404 or 409 in words, or KubeError. */
export class Actions {
  readonly #deps: WebDependencies;
  readonly #access: Access;

  constructor(deps: WebDependencies, access: Access) {
    this.#deps = deps;
    this.#access = access;
  }

  async retry(visitor: Visitor, at: ObjectName): Promise<ActionResult> {
    await this.#access.require(visitor, 'patch', 'machines', at.namespace, at.name);
    await this.#annotate(visitor, MACHINES, at, (machine) => {
      requireSensible(machineActions(machine), 'retry');
      return { [ANNOTATION_RETRY]: new Date().toISOString() };
    });
    this.#tell(visitor, at, 'retry');
    return { message: `A retry of ${at.name} was asked for; a new provisioning begins in a moment.` };
  }

  /** Temporal knows nothing of the person: who may change the machine may cancel. The event says who it was. */
  async cancel(visitor: Visitor, at: ObjectName): Promise<ActionResult> {
    await this.#access.require(visitor, 'patch', 'machines', at.namespace, at.name);
    const machine = await this.#deps.kube.get(MACHINES, at.namespace, at.name, { timeoutMs: TIMEOUT_MS });
    requireSensible(machineActions(machine), 'cancel');
    if (!(await this.#deps.runs.cancel(at)))
      throw new WebError(409, `No provisioning of ${at.name} is under way, so there is nothing to cancel.`);
    this.#deps.recorder.event(machine, 'Normal', 'CancelRequested', `Cancelled from the web page by ${whoIs(visitor)}`);
    this.#tell(visitor, at, 'cancel');
    return { message: `The provisioning of ${at.name} is being cancelled; its server is switched off and seen off.` };
  }

  async forceRelease(visitor: Visitor, at: ObjectName, reason: string): Promise<ActionResult> {
    await this.#access.require(visitor, 'patch', 'hosts', at.namespace, at.name);
    const text = reason.trim();
    if (text === '') throw new WebError(400, 'Say why: the reason is kept in an event.');
    if (text.length > MAX_REASON) throw new WebError(400, `The reason is longer than ${MAX_REASON} characters.`);
    await this.#annotate(visitor, HOSTS, at, (host) => {
      requireSensible(hostActions(host), 'force-release');
      return { [ANNOTATION_FORCE_RELEASE]: `${text} (${whoIs(visitor)})` };
    });
    this.#tell(visitor, at, 'force-release');
    return { message: `${at.name} is released by force; its claim ends in a moment.` };
  }

  /** A compare-and-swap, so that nothing is asked of an object that is another one by now. */
  async #annotate<T extends Identified>(
    visitor: Visitor,
    resource: Resource<T>,
    { namespace, name }: ObjectName,
    annotationsFor: (object: T) => Record<string, string>,
  ): Promise<void> {
    const write = async (kube: WebKube) => {
      for (let attempt = 1; ; attempt += 1) {
        const object = await this.#deps.kube.get(resource, namespace, name, { timeoutMs: TIMEOUT_MS });
        const { uid, resourceVersion } = object.metadata;
        const metadata = { uid, resourceVersion, annotations: annotationsFor(object) };
        try {
          await kube.mergePatch(resource, namespace, name, { metadata }, { timeoutMs: TIMEOUT_MS });
          return;
        } catch (error) {
          if (!isConflict(error) || attempt >= 5) throw error;
        }
      }
    };
    if (visitor.kind === 'operator') return write(this.#deps.kube);
    return this.#deps.asHolderOf(visitor.session.token, write);
  }

  #tell(visitor: Visitor, { namespace, name }: ObjectName, action: Action['kind']): void {
    this.#deps.logger.info({ action, namespace, name, user: whoIs(visitor) }, 'asked for on the web page');
  }
}

/** Throws 409 with the reason. */
function requireSensible(actions: readonly Action[], kind: Action['kind']): void {
  const refusal = actions.find((action) => action.kind === kind)?.refusal;
  if (refusal !== undefined) throw new WebError(409, refusal);
}

function whoIs(visitor: Visitor): string {
  return visitor.kind === 'operator' ? 'the operator at this machine' : visitor.session.identity.username;
}
