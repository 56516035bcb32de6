import { createHash, randomBytes } from 'node:crypto';
import { BOOT_SECRET_TYPE, bootSecretName, bootSpecText } from '../../model/bootSecret.ts';
import { arm as armed, newClaim, serializeClaim } from '../../model/claim.ts';
import { specHash } from '../../model/handled.ts';
import { ANNOTATION_CLAIM, API_VERSION, LABEL_CLAIM, LABEL_CONSUMER_UID } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { HOSTS, MACHINES, SECRETS } from '../../kube/resource.ts';
import { NAMESPACE } from '../objects.ts';
import { forEachLimited } from '../waiting.ts';

const WINDOW_MS = 1_800_000;
const AT_ONCE = 32;
const SPEC = { targetOSImage: 'http://127.0.0.1:9/os.tar.gz' };

/** A server that is armed to boot, as `bootInspector` leaves it. */
export interface ArmedServer {
  readonly name: string;
  readonly mac: string;
  readonly token: string;
  readonly nonce: string;
}

/** Creates this many armed hosts, each with its machine and its boot Secret. */
export async function armServers(kube: KubeClient, count: number, signal: AbortSignal): Promise<ArmedServer[]> {
  const servers = Array.from({ length: count }, (_, index) => ({
    name: `booting-${String(index + 1).padStart(4, '0')}`,
    mac: `02:b7:00:00:${hex(index >> 8)}:${hex(index & 0xff)}`,
    token: randomBytes(32).toString('base64url'),
    nonce: randomBytes(32).toString('base64url'),
  }));
  await forEachLimited(servers, AT_ONCE, (server) => arm(kube, server, signal));
  return servers;
}

async function arm(kube: KubeClient, server: ArmedServer, signal: AbortSignal): Promise<void> {
  const { name, mac, token, nonce } = server;
  const machine = await kube.create(MACHINES, { metadata: { name, namespace: NAMESPACE }, spec: SPEC }, { signal });
  const uid = machine.metadata.uid ?? '';
  const made = newClaim({ attempt: 1, tried: [], specHash: specHash(SPEC), bootTimeoutMs: WINDOW_MS });
  const bootSecret = bootSecretName(name, made.id);
  const claim = armed(made, { tokenHash: sha256(token), nonceHash: sha256(nonce), bootSecret });
  await kube.create(
    HOSTS,
    {
      metadata: {
        name,
        namespace: NAMESPACE,
        labels: { [LABEL_CONSUMER_UID]: uid },
        annotations: { [ANNOTATION_CLAIM]: serializeClaim(claim) },
      },
      spec: {
        redfishConnection: { address: 'http://127.0.0.1:9', credentialsSecretRef: 'bench-bmc' },
        bootMACAddress: mac,
        consumerRef: { apiVersion: API_VERSION, kind: 'Beskar7Machine', name, namespace: NAMESPACE, uid },
      },
    },
    { signal },
  );
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  await kube.create(
    SECRETS,
    {
      metadata: { name: bootSecret, namespace: NAMESPACE, labels: { [LABEL_CLAIM]: claim.id } },
      type: BOOT_SECRET_TYPE,
      data: { token: base64(token), nonce: base64(nonce), spec: base64(bootSpecText({ ...SPEC, machineName: name })) },
    },
    { signal },
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
