import { kindKey } from '../../controllers/index.ts';
import type { Role } from '../config.ts';
import { apiRole } from './api.ts';
import { bmcWorkerRole } from './bmcWorker.ts';
import { controllersRole } from './controllers.ts';
import type { RoleDefinition } from './role.ts';
import { webhookRole } from './webhook.ts';
import { webRole } from './web.ts';
import { workerRole } from './worker.ts';

const BY_NAME: Readonly<Record<Role, RoleDefinition>> = {
  webhook: webhookRole,
  api: apiRole,
  web: webRole,
  worker: workerRole,
  'bmc-worker': bmcWorkerRole,
  controllers: controllersRole,
};

/** What these roles are, in the order in which a process starts them. */
export function definitionsOf(roles: readonly Role[]): RoleDefinition[] {
  return Object.values(BY_NAME).filter(({ name }) => roles.includes(name));
}

/** What a role is. */
export function definitionOf(role: Role): RoleDefinition {
  return BY_NAME[role];
}

/** The kinds that a process with these roles watches, by `kindKey`. */
export function watchedKinds(roles: readonly Role[]): ReadonlySet<string> {
  return new Set(definitionsOf(roles).flatMap(({ watches }) => watches.map(kindKey)));
}

/** Whether a process with these roles works with Temporal. */
export function usesTemporal(roles: readonly Role[]): boolean {
  return definitionsOf(roles).some((role) => role.usesTemporal);
}

/** Whether a Service of the cluster sends requests to processes of these roles. */
export function servesRequests(roles: readonly Role[]): boolean {
  return definitionsOf(roles).some((role) => role.servesRequests);
}
