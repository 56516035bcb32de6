import { createHash, randomBytes } from 'node:crypto';
import { BOOT_SECRET_TYPE, bootSecretName, bootSpecText, type BootSpec } from '../../model/bootSecret.ts';
import { API_VERSION, LABEL_CLAIM } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists } from '../../kube/error.ts';
import { SECRETS } from '../../kube/resource.ts';

/** SHA-256 of the token and of the nonce, in hex, and the name of the Secret that holds both. */
export interface MintedSecret {
  readonly tokenHash: string;
  readonly nonceHash: string;
  /** Name of the Secret, in the namespace of the host. */
  readonly bootSecret: string;
}

/** How many names are tried before the activity fails; each after the first one is random. */
const MAX_NAMES = 3;

/**
 * Makes the boot Secret of a claim: token and nonce of 32 random bytes each, immutable, owned by the host, with what
 * the boot script is made of beside them. A Secret that is there already is never taken over, whatever it looks like:
 * whoever made it knows its token, and the names of claims are no secret. The new one gets a name that cannot be
 * guessed, and the write that arms records it in the claim (rule 21). Returns hashes only. Throws KubeError.
 */
export async function mintBootSecret(
  kube: KubeClient,
  host: PhysicalHost,
  claim: string,
  spec: BootSpec,
): Promise<MintedSecret> {
  const { namespace, name: hostName, uid } = host.metadata;
  const token = randomBytes(32).toString('base64url');
  const nonce = randomBytes(32).toString('base64url');
  for (let tries = 1; ; tries += 1) {
    const name = bootSecretName(hostName, tries === 1 ? claim : `${claim}-${randomBytes(8).toString('hex')}`);
    try {
      await kube.create(SECRETS, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          namespace,
          name,
          labels: { [LABEL_CLAIM]: claim },
          ownerReferences: [{ apiVersion: API_VERSION, kind: 'PhysicalHost', name: hostName, uid }],
        },
        type: BOOT_SECRET_TYPE,
        immutable: true,
        data: { token: base64(token), nonce: base64(nonce), spec: base64(bootSpecText(spec)) },
      });
      return { tokenHash: sha256(token), nonceHash: sha256(nonce), bootSecret: name };
    } catch (error) {
      if (!isAlreadyExists(error) || tries >= MAX_NAMES) throw error;
    }
  }
}

/**
 * Deletes the boot Secrets of a claim: the one that the claim names, and the one of the first name, which an activity
 * that was lost before it armed may have left. Deleting what is not there is no error.
 */
export async function deleteBootSecrets(
  kube: KubeClient,
  { namespace, host, id }: { namespace: string; host: string; id: string },
  named?: string,
): Promise<void> {
  const names = new Set([bootSecretName(host, id), ...(named === undefined ? [] : [named])]);
  for (const name of names) await kube.delete(SECRETS, namespace, name);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
