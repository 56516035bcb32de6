import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { steadyPorts } from '../../chaos/ports.ts';

test('ports that can be opened, each given once, none where connections take theirs', async () => {
  const ports = [...(await steadyPorts(20)), ...(await steadyPorts(20))];
  expect(new Set(ports).size).toBe(40);
  expect(ports.filter((port) => port < 20_000 || port >= 32_000)).toEqual([]);
  for (const port of ports) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    expect((server.address() as AddressInfo).port).toBe(port);
    await new Promise((resolve) => server.close(resolve));
  }
});
