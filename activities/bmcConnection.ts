import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isNotFound } from '../kube/error.ts';
import type { RedfishClient } from '../redfish/index.ts';
import type { Dependencies } from './dependencies.ts';
import { bmcFailure } from './failures.ts';
import { BMC_CALL_MS } from './fence.ts';

/**
 * A client for the BMC of a host. Its Secret is read anew when `fresh` is set (enrolment, and every repetition after a
 * failure), else at most some seconds ago, since many hosts share one. Fails with `BmcCredentials` when the Secret is missing or
 * incomplete.
 */
export async function connectBmc(deps: Dependencies, host: PhysicalHost, fresh = false): Promise<RedfishClient> {
  const { redfishConnection: connection } = host.spec;
  const namespace = host.metadata.namespace ?? '';
  const secret = await secretData(deps, namespace, connection.credentialsSecretRef, fresh);
  const username = requireKey(secret, 'username', `${namespace}/${connection.credentialsSecretRef}`);
  const password = requireKey(secret, 'password', `${namespace}/${connection.credentialsSecretRef}`);
  const ca = connection.caBundleSecretRef;
  const caBundle = ca && requireKey(await secretData(deps, namespace, ca, fresh), 'ca.crt', `${namespace}/${ca}`);
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
  deps: Dependencies,
  namespace: string,
  name: string,
  fresh: boolean,
): Promise<Record<string, string>> {
  try {
    return await deps.credentials.get(namespace, name, fresh);
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
