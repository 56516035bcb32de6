import { createHash, randomBytes } from 'node:crypto';
import { bootSecretName, bootSpecText, type BootSpec } from '../crds/bootSecret.ts';
import { API_VERSION, LABEL_CLAIM } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import { isAlreadyExists } from '../kube/error.ts';
import { SECRETS } from '../kube/resource.ts';

/** SHA-256 of the token and of the nonce, in hex. */
export interface TokenHashes {
  readonly tokenHash: string;
  readonly nonceHash: string;
}

/**
 * Makes the boot Secret of a claim: token and nonce of 32 random bytes each, immutable, named after the claim and owned by
 * the host. When it is there already (a repeated activity, or two workers at once) its values count, so that hash and
 * plaintext cannot differ (rule 21). What the boot script is made of stands beside them. Returns hashes only.
 */
export async function mintBootSecret(
  kube: KubeClient,
  host: PhysicalHost,
  claim: string,
  spec: BootSpec | undefined,
): Promise<TokenHashes> {
  const namespace = host.metadata.namespace ?? '';
  const name = bootSecretName(host.metadata.name, claim);
  const token = randomBytes(32).toString('base64url');
  const nonce = randomBytes(32).toString('base64url');
  try {
    await kube.create(SECRETS, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        namespace,
        name,
        labels: { [LABEL_CLAIM]: claim },
        ownerReferences: [
          { apiVersion: API_VERSION, kind: 'PhysicalHost', name: host.metadata.name, uid: host.metadata.uid ?? '' },
        ],
      },
      type: 'beskar7.io/boot',
      immutable: true,
      data: {
        token: base64(token),
        nonce: base64(nonce),
        ...(spec === undefined ? {} : { spec: base64(bootSpecText(spec)) }),
      },
    });
    return { tokenHash: sha256(token), nonceHash: sha256(nonce) };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const { data = {} } = await kube.get(SECRETS, namespace, name);
  const stored = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  return { tokenHash: sha256(stored('token')), nonceHash: sha256(stored('nonce')) };
}

/** Takes back what was minted for a claim that ended meanwhile: its release has looked for the Secret already, and nobody else would. */
export async function dropBootSecret(kube: KubeClient, host: PhysicalHost, claim: string): Promise<void> {
  await kube.delete(SECRETS, host.metadata.namespace ?? '', bootSecretName(host.metadata.name, claim));
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
