import { LRUCache } from 'lru-cache';
import { HOSTS, MACHINES, EVENTS } from '../../kube/resource.ts';
import type { WebKube } from './dependencies.ts';
import { WebError } from './errors.ts';
import type { FleetFeed, RowKind } from './feed.ts';
import { isAllowed, type Ask } from './reviews.ts';
import type { Session } from './sessions.ts';
import type { Scope } from './stream.ts';

/** The visitor: a person with a session, or, without log-in, the user of this machine. */
export type Visitor = { readonly kind: 'operator' } | { readonly kind: 'user'; readonly session: Session };

/** A kind that visitors may be allowed to see. */
export type AskedKind = RowKind | 'events';

const KINDS = { hosts: HOSTS, machines: MACHINES, events: EVENTS } as const;
const MAX_ANSWERS = 20_000;
/** Namespaces that are checked one by one, for a person who may not see all. */
const MAX_NAMESPACES = 500;
/** Questions about one person that are open at once. */
const AT_ONCE = 8;

/**
 * What visitors may do, as the API server answers a SubjectAccessReview about each; answers are believed for
 * `accessMs`, refusals too.
 */
export class Access {
  readonly #kube: WebKube;
  readonly #accessMs: number;
  readonly #answers = new LRUCache<string, { readonly answer: Promise<boolean>; readonly until: number }>({
    max: MAX_ANSWERS,
  });

  constructor(kube: WebKube, accessMs: number) {
    this.#kube = kube;
    this.#accessMs = accessMs;
  }

  /** Whether the visitor may. Throws KubeError when the API server cannot be asked. */
  may(visitor: Visitor, verb: Ask['verb'], kind: AskedKind, namespace?: string, name?: string): Promise<boolean> {
    if (visitor.kind === 'operator') return Promise.resolve(true);
    const { session } = visitor;
    const now = performance.now();
    const key = JSON.stringify([session.id, verb, kind, namespace, name]);
    const known = this.#answers.get(key);
    if (known !== undefined && known.until > now) return known.answer;
    const { group, plural } = KINDS[kind];
    const ask: Ask = {
      verb,
      group,
      resource: plural,
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
    };
    const answer = isAllowed(this.#kube, session.identity, ask);
    this.#answers.set(key, { answer, until: now + this.#accessMs });
    // One that could not be asked is asked again.
    answer.catch(() => this.#answers.set(key, { answer, until: 0 }));
    return answer;
  }

  /** Throws 403 in words. */
  async require(visitor: Visitor, verb: Ask['verb'], kind: AskedKind, namespace: string, name: string): Promise<void> {
    if (!(await this.may(visitor, verb, kind, namespace, name)))
      throw new WebError(403, refusalOf(visitor, verb, kind, namespace));
  }

  /** What a visitor may see of the fleet. Throws 403 when there is something, and nothing of it may be seen. */
  async scope(visitor: Visitor, feed: FleetFeed): Promise<Scope> {
    const [hosts, machines] = await Promise.all([
      this.#namespaces(visitor, 'hosts', feed),
      this.#namespaces(visitor, 'machines', feed),
    ]);
    if (hosts?.size === 0 && machines?.size === 0 && feed.namespaces.length > 0)
      throw new WebError(403, refusalOf(visitor, 'list', 'hosts', undefined));
    const allowed = { hosts, machines };
    return {
      name: JSON.stringify([hosts && [...hosts].sort(), machines && [...machines].sort()]),
      sees: (kind, namespace) => allowed[kind]?.has(namespace) ?? true,
    };
  }

  /** Undefined: all. */
  async #namespaces(visitor: Visitor, kind: RowKind, feed: FleetFeed): Promise<Set<string> | undefined> {
    if (await this.may(visitor, 'list', kind)) return undefined;
    const allowed = new Set<string>();
    const left = feed.namespaces.slice(0, MAX_NAMESPACES);
    const work = async () => {
      for (let namespace = left.shift(); namespace !== undefined; namespace = left.shift())
        if (await this.may(visitor, 'list', kind, namespace)) allowed.add(namespace);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return allowed;
  }
}

/** Why access is denied, as a sentence. */
export function refusalOf(visitor: Visitor, verb: Ask['verb'], kind: AskedKind, namespace: string | undefined): string {
  const who = visitor.kind === 'operator' ? 'You' : visitor.session.identity.username;
  const where = namespace === undefined ? 'any namespace' : `namespace ${namespace}`;
  return `${who} may not ${verb} ${KINDS[kind].plural} in ${where}. Who gives rights in this cluster can grant it by a Role.`;
}
