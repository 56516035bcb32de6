import { createServer, type AddressInfo } from 'node:net';
import { expect, jest, test } from '@jest/globals';
import { freePorts } from '../../../tools/controlplane/ports.ts';

test('ports that can be opened, each given once, none where connections take theirs', async () => {
  const ports = [...(await freePorts(20)), ...(await freePorts(20))];
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

test('two runs that begin at the same block take different ones', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  const runs: number[][] = [];
  for (let n = 0; n < 2; n += 1)
    await jest.isolateModulesAsync(async () => {
      const { freePorts: ofRun } = await import('../../../tools/controlplane/ports.ts');
      runs.push(await ofRun(39));
    });
  jest.restoreAllMocks();
  expect(new Set(runs.flat()).size).toBe(78);
});

test('many seeds in one process: another block when one is used up', async () => {
  const ports: number[] = [];
  for (let seed = 0; seed < 10; seed += 1) ports.push(...(await freePorts(39)));
  expect(new Set(ports).size).toBe(390);
});
