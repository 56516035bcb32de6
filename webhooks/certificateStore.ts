import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { KubeClient } from '../kube/client.ts';
import { isAlreadyExists } from '../kube/error.ts';
import { SECRETS, type Secret } from '../kube/resource.ts';
import { find, pinned, swap } from '../kube/swap.ts';
import { isServingFor, lifeLeft, makeAuthority, makeServing, type KeyedCertificate } from './certificates.ts';

/** What the server shows, and what its clients have to trust; all PEM. */
export interface ServingCertificate {
  readonly certificate: string;
  readonly key: string;
  /** Absent: an authority that the API server's machine trusts anyhow. */
  readonly authorities?: string;
  /** The one of them that has signed the certificate, where that is known. */
  readonly authority?: string;
}

/** Where the certificate of the webhook comes from. */
export interface CertificateStore {
  /** The certificate that is good now; makes or renews it when that is due. */
  current(): Promise<ServingCertificate>;
}

const AUTHORITY_DAYS = 3650;
const SERVING_DAYS = 90;
/** Renewed when less than this part of its life is left. */
const RENEW_AT = 1 / 3;

/**
 * A certificate that somebody else makes and renews, as files: tls.crt, tls.key and, unless it is publicly trusted,
 * ca.crt (cert-manager).
 */
export function fileCertificates(folder: string): CertificateStore {
  const read = (name: string) => readFile(path.join(folder, name), 'utf8');
  return {
    current: async () => {
      const [certificate, key] = await Promise.all([read('tls.crt'), read('tls.key')]);
      const authorities = await read('ca.crt').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      return { certificate, key, ...(authorities === undefined ? {} : { authorities }) };
    },
  };
}

/** `now`: the clock, for tests. */
export interface OwnCertificateOptions {
  /** The name of the authority that is made. */
  readonly authority?: string;
  readonly now?: () => Date;
}

/**
 * A certificate that Beskar7 makes by itself and keeps, with its authority, in a Secret that all replicas share: who is
 * first makes it, the others take it. A new authority is trusted beside the old one.
 */
export function ownCertificates(
  kube: KubeClient,
  secret: { readonly namespace: string; readonly name: string },
  names: readonly string[],
  { authority = 'beskar7-webhook-ca', now = () => new Date() }: OwnCertificateOptions = {},
): CertificateStore {
  const { namespace, name } = secret;
  return {
    current: () =>
      swap({
        what: `Secret ${namespace}/${name}`,
        read: () => find(kube, SECRETS, secret),
        write: async (found) => {
          const kept = found && keptIn(found);
          const due = renewed(kept, names, authority, now());
          if (due === kept && kept !== undefined) return servingOf(kept);
          const data = dataOf(due);
          if (found === undefined) {
            const metadata = { namespace, name, labels: { 'app.kubernetes.io/name': 'beskar7' } };
            await kube.create(SECRETS, { metadata, type: 'Opaque', data });
          } else await kube.mergePatch(SECRETS, namespace, name, pinned(found, { data }));
          return servingOf(due);
        },
        // Another replica was first: what it made is taken.
        isStale: isAlreadyExists,
      }),
  };
}

interface Kept {
  readonly authority: KeyedCertificate;
  readonly previousAuthority?: string;
  readonly serving: KeyedCertificate;
}

/** The same object when nothing is due. */
function renewed(kept: Kept | undefined, names: readonly string[], commonName: string, now: Date): Kept {
  if (kept === undefined || lifeLeft(kept.authority.certificate, now.getTime()) < RENEW_AT) {
    const authority = makeAuthority(commonName, AUTHORITY_DAYS, now);
    const serving = makeServing(authority, names, SERVING_DAYS, now);
    return { authority, serving, ...(kept === undefined ? {} : { previousAuthority: kept.authority.certificate }) };
  }
  const { certificate } = kept.serving;
  const isGood = isServingFor(certificate, kept.authority.certificate, names);
  if (isGood && lifeLeft(certificate, now.getTime()) >= RENEW_AT) return kept;
  return { ...kept, serving: makeServing(kept.authority, names, SERVING_DAYS, now) };
}

function servingOf({ authority, previousAuthority = '', serving }: Kept): ServingCertificate {
  return { ...serving, authorities: authority.certificate + previousAuthority, authority: authority.certificate };
}

function keptIn({ data = {} }: Secret): Kept | undefined {
  const read = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  const authority = { certificate: read('ca.crt'), key: read('ca.key') };
  const serving = { certificate: read('tls.crt'), key: read('tls.key') };
  if ([authority.certificate, authority.key, serving.certificate, serving.key].includes('')) return undefined;
  const previousAuthority = read('previous-ca.crt');
  return { authority, serving, ...(previousAuthority === '' ? {} : { previousAuthority }) };
}

function dataOf({ authority, previousAuthority = '', serving }: Kept): Record<string, string> {
  const encode = (text: string) => Buffer.from(text, 'utf8').toString('base64');
  return {
    'ca.crt': encode(authority.certificate),
    'ca.key': encode(authority.key),
    'previous-ca.crt': encode(previousAuthority),
    'tls.crt': encode(serving.certificate),
    'tls.key': encode(serving.key),
  };
}
