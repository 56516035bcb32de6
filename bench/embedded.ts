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

/** Starts it in a folder of the run. Rejects when it does not come up or the signal aborts. */
export async function startEmbedded(spec: { folder: string; signal: AbortSignal }): Promise<EmbeddedControlPlane> {
  spec.signal.throwIfAborted();
  throw new Error('the embedded control plane is not there yet');
}
