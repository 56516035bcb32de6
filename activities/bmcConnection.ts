import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isNotFound } from '../kube/error.ts';
import type { RedfishClient } from '../redfish/index.ts';
import type { CredentialAge } from './credentialCache.ts';
import type { Dependencies } from './dependencies.ts';
import { bmcFailure } from './failures.ts';
import { BMC_CALL_MS } from './fence.ts';

type BmcDependencies = Pick<Dependencies, 'credentials' | 'redfish'>;

/**
 * A client for the BMC of a host. Its Secret is read anew for `fresh` (enrolment, and every repetition after a failure), else
 * it was read some seconds ago (`recent`) or within the hour (`kept`), since many hosts share one. Fails with `BmcCredentials` when
 * the Secret is missing or incomplete.
 */
export async function connectBmc(
  deps: BmcDependencies,
  host: PhysicalHost,
  age: CredentialAge = 'recent',
): Promise<RedfishClient> {
  const { redfishConnection: connection } = host.spec;
  const namespace = host.metadata.namespace ?? '';
  const secret = await secretData(deps, namespace, connection.credentialsSecretRef, age);
  const username = requireKey(secret, 'username', `${namespace}/${connection.credentialsSecretRef}`);
  const password = requireKey(secret, 'password', `${namespace}/${connection.credentialsSecretRef}`);
  const ca = connection.caBundleSecretRef;
  const caBundle = ca && requireKey(await secretData(deps, namespace, ca, age), 'ca.crt', `${namespace}/${ca}`);
  return deps.redfish.get({
    address: connection.address,
    username,
    password,
    callTimeoutMs: BMC_CALL_MS,
    ...(connection.insecureSkipVerify === undefined ? {} : { insecureSkipVerify: connection.insecureSkipVerify }),
    ...(caBundle ? { caBundle } : {}),
    ...(connection.systemID === undefined ? {} : { systemID: connection.systemID }),
  });
}

async function secretData(
  deps: BmcDependencies,
  namespace: string,
  name: string,
  age: CredentialAge,
): Promise<Record<string, string>> {
  try {
    return await deps.credentials.get(namespace, name, age);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw bmcFailure(`Secret ${namespace}/${name} does not exist: create it with the keys it needs`, 'SecretMissing');
  }
}

function requireKey(data: Record<string, string>, key: string, secret: string): string {
  const value = data[key];
  if (value === undefined || value === '') {
    throw bmcFailure(`Secret ${secret} has no key ${key}: add it`, 'SecretInvalid');
  }
  return Buffer.from(value, 'base64').toString('utf8');
}
