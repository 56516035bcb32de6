import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { SERVICE_ACCOUNT } from './controlPlane.ts';

/**
 * One verb on one kind of object, as `get secrets` or `patch beskar7machines.infrastructure.cluster.x-k8s.io/status`.
 */
export type Privilege = string;

interface AuditEvent {
  readonly verb: string;
  readonly requestURI: string;
  readonly userAgent?: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly reason?: string; readonly message?: string };
}

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/**
 * What the API server asks for itself, so that no request shows it: the owner that a boot Secret names
 * (OwnerReferencesPermissionEnforcement), and who may write claims (deploy/manifests/claims.yaml).
 */
const ASKED_BY_ADMISSION: readonly Privilege[] = [
  'update physicalhosts.infrastructure.cluster.x-k8s.io/finalizers',
  'claim physicalhosts.infrastructure.cluster.x-k8s.io',
];

/** What the web page and earlier reports need: the end-to-end tests use it, those with Cluster API do not. */
export const USED_END_TO_END: readonly Privilege[] = [
  'list events',
  'get configmaps',
  'create configmaps',
  'patch configmaps',
  'create tokenreviews.authentication.k8s.io',
  'create subjectaccessreviews.authorization.k8s.io',
];

/** All that the (Cluster)Roles of some names in a manifest grant. Throws when there is no such role. */
export function grantsOf(manifest: string, ...roles: string[]): Set<Privilege> {
  const objects = parseAllDocuments(manifest).map((document) => document.toJS() as Role | null);
  const found = objects.filter(
    (object) => object !== null && /^(Cluster)?Role$/.test(object.kind) && roles.includes(object.metadata.name),
  );
  if (found.length === 0) throw new Error(`the manifest has no role ${roles.join(', ')}`);
  const grants = found
    .flatMap((object) => object?.rules ?? [])
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => {
          const [kind = '', subresource] = resource.split('/');
          return verbs.map((verb) => privilege(verb, group, kind, subresource));
        }),
      ),
    );
  return new Set(grants);
}

/** What an account of Beskar7 has done, by an audit log (JSON lines of `audit.k8s.io/v1`), and what it was refused. */
export class Uses {
  readonly used = new Set<Privilege>();
  /** Each refused request, with the API server's words. */
  readonly refused: string[] = [];
  /** Namespaces in which it asked for anything; '' for requests over all namespaces or without one. */
  readonly namespaces = new Set<string>();
  count = 0;

  readonly #account: string;

  constructor(account = SERVICE_ACCOUNT) {
    this.#account = account;
  }

  /** Of the account with every role, unless another is named. */
  static read(file: string, account = SERVICE_ACCOUNT): Uses {
    const uses = new Uses(account);
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      // The last line may be being written.
      if (line.endsWith('}')) uses.take(JSON.parse(line) as AuditEvent);
    }
    return uses;
  }

  take({ verb, requestURI, user, userAgent = 'beskar7', objectRef, responseStatus }: AuditEvent): void {
    if (user.username !== this.#account) return;
    // A test that plays a thief of a token does so with kubectl: that is no use of Beskar7's.
    if (!userAgent.startsWith('beskar7')) return;
    this.count += 1;
    const { code = 0, message = '' } = responseStatus ?? {};
    if (code === 403 && !isGoing(message)) this.refused.push(`${verb} ${requestURI}: ${message}`);
    if (!objectRef?.resource) return;
    this.namespaces.add(objectRef.namespace ?? '');
    if (code < 400) this.used.add(privilege(verb, objectRef.apiGroup ?? '', objectRef.resource, objectRef.subresource));
  }

  /** Grants that nobody has made use of. */
  unused(grants: ReadonlySet<Privilege>): Privilege[] {
    return [...grants].filter((grant) => !this.used.has(grant) && !ASKED_BY_ADMISSION.includes(grant)).sort();
  }
}

/** A namespace that is being deleted takes nothing new, whoever asks: no matter of rights. */
function isGoing(message: string): boolean {
  return message.endsWith('because it is being terminated');
}

function privilege(verb: string, group: string, resource: string, subresource: string | undefined): Privilege {
  const kind = group === '' ? resource : `${resource}.${group}`;
  return `${verb} ${kind}${subresource === undefined ? '' : `/${subresource}`}`;
}
