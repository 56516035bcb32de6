import type { Identified, Resource } from '../../kube/resource.ts';
import type { WebKube } from './dependencies.ts';

/** The identity of a token, according to the API server. */
export interface Identity {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What a person wants to do with a kind of object. */
export interface Ask {
  readonly verb: 'get' | 'list' | 'patch';
  readonly group: string;
  readonly resource: string;
  /** Absent: in all namespaces. */
  readonly namespace?: string;
  readonly name?: string;
}

interface TokenReview extends Identified {
  spec: { token: string };
  status?: { authenticated?: boolean; user?: Identity };
}

interface AccessReview extends Identified {
  spec: object;
  status?: { allowed?: boolean };
}

const TOKEN_REVIEWS: Resource<TokenReview> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  namespaced: false,
};
const ACCESS_REVIEWS: Resource<AccessReview> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
};
const TIMEOUT_MS = 5_000;

/** Whose token it is; undefined: the API server does not accept it. Throws KubeError. */
export async function identityOf(kube: WebKube, token: string): Promise<Identity | undefined> {
  const review: TokenReview = { metadata: { name: '' }, spec: { token } };
  const { status } = await kube.create(TOKEN_REVIEWS, review, { timeoutMs: TIMEOUT_MS });
  return status?.authenticated === true && status.user?.username ? status.user : undefined;
}

/** Whether a person may do something. Throws KubeError. */
export async function isAllowed(kube: WebKube, who: Identity, ask: Ask): Promise<boolean> {
  const spec = { user: who.username, uid: who.uid, groups: who.groups, extra: who.extra, resourceAttributes: ask };
  const { status } = await kube.create(ACCESS_REVIEWS, { metadata: { name: '' }, spec }, { timeoutMs: TIMEOUT_MS });
  return status?.allowed === true;
}
