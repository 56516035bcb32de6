import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Component } from '../../tools/controlplane/component.ts';
import { startControlPlane, type ControlPlane } from '../../tools/controlplane/index.ts';
import { installBeskar7 } from '../../tools/controlplane/install.ts';
import { ACCOUNTS, HANDOFF, type TestControlPlane } from './controlPlane.ts';

declare global {
  var beskar7ControlPlane: ControlPlane | undefined;
  var beskar7CoreManager: Component | undefined;
}

/**
 * One control plane for a run of Jest; none where `npm test` has started one for many runs and names it in the
 * environment.
 */
export default async function globalSetup(): Promise<void> {
  if (process.env[HANDOFF] === undefined) await startTestControlPlane();
}

/**
 * Starts a control plane with Beskar7's manifests, and whatever `more` adds; leaves the addresses for the tests. What
 * Beskar7's accounts ask for is in its audit log.
 */
export async function startTestControlPlane(
  more: (plane: ControlPlane) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const auditLog = path.join(os.tmpdir(), `beskar7-audit-${process.pid}.log`);
  const plane = await startControlPlane({ auditLogPath: auditLog, auditUsers: ACCOUNTS });
  globalThis.beskar7ControlPlane = plane;
  const workflowBundle = path.join(plane.dataFolder, 'workflows.js');
  const [serviceAccountKubeconfig] = await Promise.all([installBeskar7(plane), bundle(workflowBundle), more(plane)]);
  const { adminKubeconfig, temporalAddress, kubectl, temporalCli, apiServerUrl, dataFolder } = plane;
  const handoff: TestControlPlane = {
    adminKubeconfig,
    serviceAccountKubeconfig,
    temporalAddress,
    kubectl,
    temporalCli,
    apiServerUrl,
    dataFolder,
    workflowBundle,
    auditLog,
  };
  const file = path.join(os.tmpdir(), `beskar7-test-${process.pid}.json`);
  writeFileSync(file, JSON.stringify(handoff), { mode: 0o600 });
  process.env[HANDOFF] = file;
}

/** In a process of its own, as the worker does it: the bundler needs a few hundred MiB. */
async function bundle(file: string): Promise<void> {
  const script = path.join(process.cwd(), 'workers', 'bundle.ts');
  await promisify(execFile)(process.execPath, [script, file], { timeout: 120_000 });
}
