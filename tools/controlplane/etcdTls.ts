import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeAuthority, makeServing } from '../../webhooks/certificates.ts';

const DAYS = 3650;

/** The files by which etcd and the API server know each other. */
export interface EtcdTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/**
 * Certificates of the embedded etcd, made once in the data folder: whoever reaches its ports on loopback (each user and
 * each browser of the machine) would else read and write every object, Secrets and rights among them, past the API
 * server.
 */
export async function etcdTls(dataFolder: string): Promise<EtcdTls> {
  const folder = path.join(dataFolder, 'etcd-tls');
  const file = (name: string) => path.join(folder, name);
  const files = { ca: file('ca.crt'), certificate: file('tls.crt'), key: file('tls.key') };
  if (Object.values(files).every((name) => existsSync(name))) return files;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const authority = makeAuthority('beskar7-etcd-ca', DAYS);
  const { certificate, key } = makeServing(authority, ['127.0.0.1', 'localhost'], DAYS, new Date(), { isClient: true });
  // The key of the authority is kept nowhere: it signs nothing else.
  await writeFile(files.ca, authority.certificate);
  await writeFile(files.certificate, certificate);
  await writeFile(files.key, key, { mode: 0o600 });
  return files;
}

/** Flags of etcd: clients and peers have to show a certificate of its own authority. */
export function etcdTlsArguments({ ca, certificate, key }: EtcdTls): string[] {
  return ['', 'peer-'].flatMap((kind) => [
    `--${kind}cert-file=${certificate}`,
    `--${kind}key-file=${key}`,
    `--${kind}trusted-ca-file=${ca}`,
    `--${kind}client-cert-auth`,
  ]);
}

/** The same as options of a connection. */
export async function readEtcdTls({
  ca,
  certificate,
  key,
}: EtcdTls): Promise<{ ca: string; cert: string; key: string }> {
  const [caText, cert, keyText] = await Promise.all([ca, certificate, key].map((file) => readFile(file, 'utf8')));
  return { ca: caText ?? '', cert: cert ?? '', key: keyText ?? '' };
}
