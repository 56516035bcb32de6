import { copyFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { TlsError } from '../../../api/index.ts';
import { makeAuthority, makeServing } from '../../../webhooks/certificates.ts';
import { NONCE, Scene } from '../api/scene.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'beskar7-tls-'));
  scene = new Scene();
});
afterEach(async () => {
  await scene.stop();
  await rm(folder, { recursive: true });
});

/** Writes a fresh authority and its certificate for loopback; gives the CA. */
async function renew(): Promise<string> {
  const authority = makeAuthority('beskar7-callbacks', 30);
  const { certificate, key } = makeServing(authority, ['127.0.0.1'], 30);
  await writeFile(path.join(folder, 'tls.crt'), certificate);
  await writeFile(path.join(folder, 'tls.key'), key);
  await writeFile(path.join(folder, 'ca.crt'), authority.certificate);
  return authority.certificate;
}

async function askWith(ca: string): Promise<number> {
  const dispatcher = new Agent({ connect: { ca } });
  try {
    const url = `https://127.0.0.1:${scene.api.callbackAddress.port}/api/v1/bootstrap/default/server-01`;
    const answer = await request(url, { dispatcher });
    await answer.body.dump();
    return answer.statusCode;
  } finally {
    await dispatcher.close();
  }
}

const caOnTheLine = async () => {
  const { body } = await scene.call('GET', `/api/v1/boot/default/server-01/${NONCE}`, { boot: true });
  const [, ca = ''] = /beskar7\.ca=(\S+)/.exec(body) ?? [];
  return { ca: Buffer.from(ca, 'base64').toString(), body };
};

describe('--tls-cert-dir', () => {
  test('callbacks by HTTPS only; the script has the https URL and the CA, by plain HTTP', async () => {
    const ca = await renew();
    await scene.start({ tlsCertDir: folder });
    expect(await askWith(ca)).toBe(401);
    await expect(askWith(makeAuthority('another', 30).certificate)).rejects.toThrow();
    await expect(scene.call('GET', '/api/v1/bootstrap/default/server-01')).rejects.toThrow();
    const script = await caOnTheLine();
    expect(script.ca).toBe(ca);
    expect(script.body).toContain(`beskar7.api=https://127.0.0.1:${scene.api.callbackAddress.port} `);
  });

  test('new files are taken up without a restart; broken ones are told, and the last good ones stay', async () => {
    await renew();
    await scene.start({ tlsCertDir: folder });
    const ca = await renew();
    await scene.until(() => scene.logs.some(({ message }) => message.includes('certificate reloaded')));
    expect(await askWith(ca)).toBe(401);
    expect((await caOnTheLine()).ca).toBe(ca);
    await writeFile(path.join(folder, 'tls.key'), 'no key');
    await scene.until(() => scene.logs.some(({ level, message }) => level === 'error' && message.includes('rejected')));
    expect(await askWith(ca)).toBe(401);
  });

  test('a mounted Secret, whose files change by one rename of a link, is taken up', async () => {
    const mount = path.join(folder, 'mount');
    const version = async (name: string) => {
      const ca = await renew();
      await mkdir(path.join(mount, name), { recursive: true });
      for (const file of ['tls.crt', 'tls.key', 'ca.crt'])
        await copyFile(path.join(folder, file), path.join(mount, name, file));
      await symlink(name, path.join(mount, '..data_tmp'));
      await rename(path.join(mount, '..data_tmp'), path.join(mount, '..data'));
      return ca;
    };
    await version('..1');
    for (const file of ['tls.crt', 'tls.key', 'ca.crt'])
      await symlink(path.join('..data', file), path.join(mount, file));
    await scene.start({ tlsCertDir: mount });
    const ca = await version('..2');
    await scene.until(() => scene.logs.some(({ message }) => message.includes('certificate reloaded')));
    expect(await askWith(ca)).toBe(401);
  });

  test('what cannot be used is one line at the start', async () => {
    const start = () => new Scene().start({ tlsCertDir: folder });
    await expect(start()).rejects.toThrow(`beskar7: ${folder} has no tls.crt (--tls-cert-dir)`);
    await renew();
    await writeFile(path.join(folder, 'ca.crt'), 'x'.repeat(1800));
    await expect(start()).rejects.toThrow('use a P-256 CA');
    await writeFile(path.join(folder, 'tls.crt'), 'no certificate');
    await expect(start()).rejects.toThrow(TlsError);
  });
});

describe('--trusted-proxies', () => {
  const asked = async (headers: Record<string, string>) => {
    await scene.call('GET', '/api/v1/bootstrap/default/server-01', { headers });
    return scene.logs.filter(({ message }) => message === 'callback rejected').at(-1)?.fields.source;
  };

  test('nobody is believed unless listed', async () => {
    await scene.start();
    expect(await asked({ 'X-Forwarded-For': '10.0.0.9' })).toBe('127.0.0.1');
  });

  test('a listed proxy is believed, up to the first hop that is none', async () => {
    await scene.start({ trustedProxies: ['127.0.0.0/8', 'fd00::/8', '10.1.1.1'] });
    expect(await asked({ 'X-Forwarded-For': '10.0.0.9' })).toBe('10.0.0.9');
    expect(await asked({ 'X-Forwarded-For': '6.6.6.6, 10.0.0.9, fd00::1,10.1.1.1' })).toBe('10.0.0.9');
    expect(await asked({ 'X-Forwarded-For': '6.6.6.6, nonsense' })).toBe('127.0.0.1');
    expect(await asked({})).toBe('127.0.0.1');
  });

  test.each(['nonsense', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/x'])('%s is refused', async (entry) => {
    await expect(new Scene().start({ trustedProxies: [entry] })).rejects.toThrow(`"${entry}" is no IP address`);
  });
});
