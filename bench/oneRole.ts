import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeClient } from '../kube/client.ts';
import { beskar7Ports, startBeskar7, type Beskar7Ports } from './beskar7.ts';
import { startEmbedded } from './embedded.ts';
import { loadKubeConfig } from './world.ts';

const RUN_MS = 1_800_000;
const ROOT = join(import.meta.dirname, '..');

/** A control plane of this run's own, and what Beskar7 runs with. */
export interface Stage {
  /** As an administrator. */
  readonly kube: KubeClient;
  readonly ports: Beskar7Ports;
  readonly logFile: string;
  /** Aborts when a part of it dies, and after half an hour. */
  readonly signal: AbortSignal;
  /** Starts Beskar7 as a process of its own, with these flags; resolves when it is ready. */
  start(flags: readonly string[]): Promise<void>;
}

/** Runs `work` on a stage of its own; whatever becomes of it, nothing is left running. */
export async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'beskar7-bench-'));
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, AbortSignal.timeout(RUN_MS)]);
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const plane = await startEmbedded(folder, (error) => failed.abort(error));
    undo.push(() => plane.stop());
    const kube = KubeClient.fromConfig(await loadKubeConfig(plane.adminKubeconfig), { userAgent: 'beskar7-bench' });
    undo.push(() => kube.close());
    const ports = await beskar7Ports();
    const logFile = join(folder, 'beskar7.log');
    const start = async (flags: readonly string[]) => {
      const beskar7 = await startBeskar7(
        {
          root: ROOT,
          kubeconfig: plane.beskar7Kubeconfig,
          temporalAddress: plane.temporalAddress,
          temporalNamespace: plane.temporalNamespace,
          ports,
          logFile,
          cpuProfile: undefined,
          flags,
          nodeFlags: [],
        },
        signal,
      );
      undo.push(() => beskar7.stop());
    };
    return await work({ kube, ports, logFile, signal, start });
  } finally {
    for (const step of undo.reverse())
      await step().catch((error: unknown) => void process.stderr.write(`bench: clean-up: ${String(error)}\n`));
  }
}
