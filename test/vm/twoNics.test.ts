import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, jest, test } from '@jest/globals';
import { QEMU } from '../../simulator/vm/command.ts';
import { describeWithVms } from '../support/vm/machines.ts';

jest.setTimeout(300_000);

/** Without KVM, and while the machine does other things as well. */
const BOOT_MS = 240_000;
const [UNPLUGGED, BOOTING] = ['52:54:00:be:5c:01', '52:54:00:be:5c:02'];

describeWithVms('a server with two cards whose firmware is iPXE, on the network with the second', () => {
  test('asks for its boot script with the MAC of the card that is open', async () => {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    const asked = once(http, 'request', { signal: AbortSignal.timeout(BOOT_MS) });
    const bootFile = `http://10.0.2.2:${port}/api/v1/boot?mac=\${netX/mac}`;
    const qemu = spawn(
      QEMU,
      [
        ...['-machine', 'q35,graphics=off', '-accel', 'tcg', '-m', '256', '-display', 'none', '-monitor', 'none'],
        ...['-boot', 'strict=on', '-no-reboot', '-serial', 'none'],
        // A hub with nothing else at it: a link without a network.
        ...['-netdev', 'hubport,hubid=1,id=n0', '-device', `virtio-net-pci,netdev=n0,mac=${UNPLUGGED}`],
        ...['-netdev', `user,id=n1,bootfile=${bootFile}`],
        ...['-device', `virtio-net-pci,netdev=n1,mac=${BOOTING},bootindex=0`],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    try {
      const [{ url }, response] = (await asked) as [{ url: string }, { end(text: string): void }];
      response.end('#!ipxe\nexit\n');
      expect(decodeURIComponent(url)).toBe(`/api/v1/boot?mac=${BOOTING}`);
    } finally {
      const ended = once(qemu, 'exit');
      qemu.kill('SIGKILL');
      await ended;
      http.closeAllConnections();
      http.close();
    }
  });
});
