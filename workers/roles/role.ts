import type { KubeConfig } from '@kubernetes/client-node';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Informers, kindKey, Starter } from '../../controllers/index.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { ActivityWork } from '../activityWork.ts';
import type { Config, Role } from '../config.ts';
import type { Health } from '../health.ts';
import type { Parts } from '../parts.ts';
import type { TemporalTarget } from '../temporal.ts';
import type { TemporalConnection } from '../temporalConnection.ts';

/** What there is from the beginning of a process. */
export interface ProcessContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly kubeConfig: KubeConfig;
  readonly kube: KubeClient;
  readonly health: Health;
  /** What a role starts is added here, so that it is stopped. */
  readonly parts: Parts;
  /** Fires when the process shuts down: what waits for something rejects. */
  readonly stopping: AbortSignal;
}

/** What there is once the watch caches are filled; Temporal may not have been reached yet. */
export interface CachesContext extends ProcessContext {
  readonly informers: Informers;
  readonly recorder: EventRecorder;
  readonly temporal: TemporalConnection;
}

/** What there is once Temporal has been reached. */
export interface TemporalContext extends CachesContext {
  readonly client: Client;
  readonly target: TemporalTarget;
  readonly starter: Starter;
  /** The Temporal workers of this process, and what their activities share; made by the first role that asks. */
  readonly work: () => ActivityWork;
}

/** What a role does in a process: the same in all that have it, in any number at the same time. */
export type RoleDefinition = {
  readonly name: Role;
  /** In a few words of Markdown, for docs/configuration.md. */
  readonly does: string;
  /** What it has to reach, and what has to reach it; for docs/configuration.md. */
  readonly needs: string;
  /**
   * The kinds of which it has a watch cache. Its account may list and watch these and no others
   * (deploy/manifests/rbac.yaml; test/e2e/roles.test.ts).
   */
  readonly watches: readonly Parameters<typeof kindKey>[0][];
  /** Whether it works with Temporal: the account of one that does not may not ask which cluster this is. */
  readonly usesTemporal: boolean;
  /** Whether a Service of the cluster sends requests to it: it is ready without Temporal (docs/decisions/0013). */
  readonly servesRequests: boolean;
  /** Sets the checks that count from the opening of the health listener on. */
  readonly announce?: (context: ProcessContext) => void;
} & (
  | { readonly after: 'listening'; readonly start: (context: ProcessContext) => Promise<void> }
  | { readonly after: 'caches'; readonly start: (context: CachesContext) => Promise<void> }
  | { readonly after: 'temporal'; readonly start: (context: TemporalContext) => Promise<void> }
);
