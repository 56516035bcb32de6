import path from 'node:path';
import { Component } from '../../tools/controlplane/component.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import type { TestControlPlane } from './controlPlane.ts';

/** A Temporal of one test's own, without anything of Beskar7 in it. Its database is its memory: a kill loses it. */
export class OwnTemporal {
  /** The control plane of the run, with this Temporal. */
  readonly plane: TestControlPlane;
  #component: Component | undefined;

  private constructor(plane: TestControlPlane) {
    this.plane = plane;
  }

  static async start(plane: TestControlPlane): Promise<OwnTemporal> {
    const [port = 0] = await freePorts(1);
    const own = new OwnTemporal({ ...plane, temporalAddress: `127.0.0.1:${port}` });
    await own.startEmpty();
    return own;
  }

  /**
   * Starts it with an empty database, at the same address; `namespaces`: those that it makes by itself, without search
   * attributes.
   */
  async startEmpty(namespaces: readonly string[] = []): Promise<void> {
    const { temporalAddress, temporalCli, dataFolder } = this.plane;
    const [ip = '', port = ''] = temporalAddress.split(':');
    this.#component = new Component(
      {
        name: `temporal-${port}`,
        file: temporalCli,
        args: ['server', 'start-dev', `--ip=${ip}`, `--port=${port}`, '--headless', '--log-level=error'].concat(
          namespaces.map((namespace) => `--namespace=${namespace}`),
        ),
        isReady: async () => {
          const words = ['operator', 'cluster', 'health', '--address', temporalAddress];
          return (await runCommand(temporalCli, words, { timeoutMs: 5_000 })).code === 0;
        },
      },
      path.join(dataFolder, 'logs'),
    );
    await this.#component.start();
  }

  /** It is gone at once, and all that it knew. */
  async kill(): Promise<void> {
    await this.#component?.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#component?.stop();
  }
}
