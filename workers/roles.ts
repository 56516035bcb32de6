import { kindKey } from '../controllers/index.ts';
import { CAPI_CLUSTERS, CAPI_MACHINES, CLUSTERS, HOSTS, MACHINE_TEMPLATES, MACHINES } from '../kube/resource.ts';
import type { Role } from './config.ts';

/**
 * The kinds that a role has a watch cache of, by `kindKey`. Its account may list and watch these and no others
 * (deploy/manifests/rbac.yaml; test/e2e/roles.test.ts).
 */
const WATCHED: Readonly<Record<Role, readonly Parameters<typeof kindKey>[0][]>> = {
  controllers: [HOSTS, MACHINES, CLUSTERS, MACHINE_TEMPLATES, CAPI_MACHINES, CAPI_CLUSTERS],
  worker: [HOSTS, MACHINES, CAPI_CLUSTERS],
  'bmc-worker': [HOSTS, MACHINES],
  api: [HOSTS, MACHINES],
  webhook: [],
  web: [HOSTS, MACHINES],
};

/** The kinds that a process with these roles watches. */
export function watchedKinds(roles: readonly Role[]): ReadonlySet<string> {
  return new Set(roles.flatMap((role) => WATCHED[role].map(kindKey)));
}

/**
 * Whether a process with these roles works with Temporal: one that only converts objects does not, and its account may
 * not ask who it is.
 */
export function usesTemporal(roles: readonly Role[]): boolean {
  return roles.some((role) => role !== 'webhook');
}

/** Whether a Service of the cluster sends requests to processes of these roles. */
export function servesRequests(roles: readonly Role[]): boolean {
  return (['api', 'webhook', 'web'] as const).some((role) => roles.includes(role));
}
