import { join } from 'node:path';
import { startControlPlane, TEMPORAL_NAMESPACE, type ControlPlane } from '../tools/controlplane/index.ts';
import { installBeskar7 } from '../tools/controlplane/install.ts';
import type { Component } from './result.ts';

/** An ephemeral control plane of this run's own, with Beskar7's CRDs and RBAC installed. */
export interface EmbeddedControlPlane {
  readonly adminKubeconfig: string;
  /** Of the shipped ServiceAccount. */
  readonly beskar7Kubeconfig: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly auditLogPath: string;
  readonly pids: Readonly<Record<Exclude<Component, 'beskar7' | 'simulator'>, number>>;
  stop(): Promise<void>;
}

/**
 * Starts it, with an audit log in `folder`. Rejects, with nothing left running, when it does not come up. `onDeath` is
 * told when a part of it ends by itself.
 */
export async function startEmbedded(folder: string, onDeath: (error: Error) => void): Promise<EmbeddedControlPlane> {
  const auditLogPath = join(folder, 'audit.log');
  const plane = await startControlPlane({ auditLogPath });
  try {
    const { etcd, apiServer, temporal } = plane.components;
    for (const component of [etcd, apiServer, temporal]) {
      component.onDeath((name, how) =>
        onDeath(new Error(`${name} ended by itself (${how}); see ${component.logFile}`)),
      );
    }
    return {
      adminKubeconfig: plane.adminKubeconfig,
      beskar7Kubeconfig: await installBeskar7(plane),
      temporalAddress: plane.temporalAddress,
      temporalNamespace: TEMPORAL_NAMESPACE,
      auditLogPath,
      pids: pidsOf(plane),
      stop: () => plane.stop(),
    };
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

function pidsOf({ components }: ControlPlane): EmbeddedControlPlane['pids'] {
  return {
    etcd: components.etcd.pid ?? 0,
    kubeApiserver: components.apiServer.pid ?? 0,
    temporal: components.temporal.pid ?? 0,
  };
}
