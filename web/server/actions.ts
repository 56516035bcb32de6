import { ANNOTATION_FORCE_RELEASE, ANNOTATION_RETRY } from '../../crds/names.ts';
import { HOSTS, MACHINES, type Identified, type Resource } from '../../kube/resource.ts';
import { pinned, swap } from '../../kube/swap.ts';
import { hostActions, machineActions } from '../../view/actions.ts';
import type { Action, ActionResult, ObjectName } from '../shared/api.ts';
import { refusalOf, type Access, type Visitor } from './access.ts';
import type { WebDependencies, WebKube } from './dependencies.ts';
import { WebError } from './errors.ts';

/** Longest reason that is taken; an annotation has more room. */
export const MAX_REASON = 1000;
const TIMEOUT_MS = 10_000;

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

/**
 * Does what the docs tell operators to do by hand, as the visitor. Each throws 403, 404 or 409 in words, or KubeError.
 */
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
    return { message: `A retry of ${at.name} was requested; a new provisioning starts in a moment.` };
  }

  /** Temporal knows nothing of the person: who may change the machine may cancel. The event says who it was. */
  async cancel(visitor: Visitor, at: ObjectName): Promise<ActionResult> {
    await this.#access.require(visitor, 'patch', 'machines', at.namespace, at.name);
    const machine = await this.#deps.kube.get(MACHINES, at.namespace, at.name, { timeoutMs: TIMEOUT_MS });
    requireSensible(machineActions(machine), 'cancel');
    if (!(await this.#deps.runs.cancel(at)))
      throw new WebError(409, `No provisioning of ${at.name} is in flight, so there is nothing to cancel.`);
    this.#deps.recorder.event(machine, 'Normal', 'CancelRequested', `Cancelled from the web page by ${whoIs(visitor)}`);
    this.#tell(visitor, at, 'cancel');
    return {
      message: `The provisioning of ${at.name} is being cancelled; its server is powered off, and power-off is confirmed.`,
    };
  }

  async forceRelease(visitor: Visitor, at: ObjectName, reason: string): Promise<ActionResult> {
    await this.#access.require(visitor, 'patch', 'hosts', at.namespace, at.name);
    const text = reason.trim();
    if (text === '') throw new WebError(400, 'Give a reason: it is kept in an event.');
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
    const options = { timeoutMs: TIMEOUT_MS };
    const write = (kube: WebKube) =>
      swap({
        what: `${resource.kind} ${namespace}/${name}`,
        read: () => this.#deps.kube.get(resource, namespace, name, options),
        write: async (object) => {
          const patch = pinned(object, { metadata: { annotations: annotationsFor(object) } });
          await kube.mergePatch(resource, namespace, name, patch, options);
        },
      });
    if (visitor.kind === 'operator') return write(this.#deps.kube);
    return this.#deps.asHolderOf(visitor.session.token, write);
  }

  #tell(visitor: Visitor, { namespace, name }: ObjectName, action: Action['kind']): void {
    this.#deps.logger.info({ action, namespace, name, user: whoIs(visitor) }, 'requested on the web page');
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
