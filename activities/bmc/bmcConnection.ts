import { BMC_CALL_MS } from '../../model/deadlines.ts';
import { connectionHash } from '../../model/connection.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { isNotFound } from '../../kube/error.ts';
import type { RedfishClient } from '../../redfish/index.ts';
import type { CredentialAge, Credentials } from './credentialCache.ts';
import type { Dependencies } from '../dependencies.ts';
import { bmcFailure, isClaimLost } from '../failures.ts';
import { patchHostStatus } from '../store/hostStore.ts';
import { ownSecretsAgain, type SecretDependencies } from '../store/hostSecrets.ts';

/** What it takes to connect to a BMC: its credentials, the pool of Redfish clients, and the marks on Secrets. */
export type BmcDependencies = Pick<Dependencies, 'credentials' | 'redfish' | 'logger'> & SecretDependencies;

/**
 * A client for the BMC of a host. Its Secret is read again for `fresh` (enrolment, and every repetition after a
 * failure), else it was read some seconds ago (`recent`) or minutes ago (`kept`), since many hosts share one. One that
 * is not marked as in use any more is marked again, since nobody watches Secrets (docs/security.md). Fails with
 * `BmcCredentials` when the Secret is missing or incomplete.
 */
export async function connectBmc(
  deps: BmcDependencies,
  host: PhysicalHost,
  age: CredentialAge = 'recent',
): Promise<RedfishClient> {
  const { redfishConnection: connection } = host.spec;
  const namespace = host.metadata.namespace;
  const ca = connection.caBundleSecretRef;
  const secret = await readSecret(deps, namespace, connection.credentialsSecretRef, age);
  const caSecret = ca === undefined ? undefined : await readSecret(deps, namespace, ca, age);
  if (!secret.isMarked || caSecret?.isMarked === false) await markAgain(deps, host);
  const credentials = `${namespace}/${connection.credentialsSecretRef}`;
  const username = oneLine(requireKey(secret.data, 'username', credentials), 'username', credentials);
  const password = oneLine(requireKey(secret.data, 'password', credentials), 'password', credentials);
  const caBundle = caSecret && requireKey(caSecret.data, 'ca.crt', `${namespace}/${ca}`);
  return deps.redfish.get({
    // Two hosts with one address and user do not close each other's connections.
    owner: `${namespace}/${host.metadata.name}`,
    address: connection.address,
    username,
    password,
    // Any change of the Secret counts: who has unlocked an account touches it, and it is tried again.
    credentialsVersion: secret.version,
    ...withoutUndefined({ acceptedVersion: acceptedCredentials(host) }),
    callTimeoutMs: Math.min(BMC_CALL_MS, (connection.timeouts?.requestSeconds ?? Infinity) * 1_000),
    ...withoutUndefined({
      connectTimeoutMs: seconds(connection.timeouts?.connectSeconds),
      authentication: connection.authentication,
      insecureSkipVerify: connection.insecureSkipVerify,
      insecureSkipNameVerify: connection.insecureSkipNameVerify,
      tlsServerName: connection.tlsServerName,
      systemID: connection.systemID,
      caBundle: caBundle || undefined,
      bootMode: host.spec.bootMode,
      networkBoot: host.spec.networkBoot,
    }),
  });
}

/** What the BMC at this address is recorded to have accepted; of another address it says nothing. */
function acceptedCredentials({ spec, status }: PhysicalHost): string | undefined {
  const { connectionHash: usedHash, credentials } = status?.enrollment ?? {};
  return usedHash === connectionHash(spec) ? credentials : undefined;
}

/**
 * Records from which state of its Secret the BMC has accepted the log-in, where that is news and `may` allows it: a
 * process that is started later then takes a 401 for one that may pass. Writes the host only after a change of the
 * Secret. Nothing fails where the host is gone.
 */
export async function recordCredentials(
  deps: Pick<Dependencies, 'kube'>,
  host: PhysicalHost,
  { acceptedVersion }: Pick<RedfishClient, 'acceptedVersion'>,
  may: (live: PhysicalHost) => boolean,
): Promise<void> {
  if (acceptedVersion === undefined) return;
  const isNews = (of: PhysicalHost) =>
    of.status?.enrollment?.connectionHash === connectionHash(host.spec) &&
    of.status.enrollment.credentials !== acceptedVersion;
  if (!isNews(host)) return;
  const key = { namespace: host.metadata.namespace, host: host.metadata.name };
  try {
    await patchHostStatus(
      deps.kube,
      key,
      (live) => (isNews(live) && may(live) ? { enrollment: { credentials: acceptedVersion } } : undefined),
      host,
    );
  } catch (error) {
    if (!isClaimLost(error)) throw error;
  }
}

function seconds(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value * 1_000;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(options: T): Defined<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** Work at a BMC does not fail because a mark is missing: the next one that connects tries again. */
async function markAgain(deps: BmcDependencies, host: PhysicalHost): Promise<void> {
  try {
    await ownSecretsAgain(deps, host);
  } catch (error) {
    const { namespace, name } = host.metadata;
    deps.logger.warn({ namespace, host: name, err: error }, 'the Secrets of a host were not marked as in use again');
  }
}

async function readSecret(
  deps: BmcDependencies,
  namespace: string,
  name: string,
  age: CredentialAge,
): Promise<Credentials> {
  try {
    return await deps.credentials.get(namespace, name, age);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw bmcFailure(`Secret ${namespace}/${name} does not exist: create it with the keys it needs`, 'SecretMissing');
  }
}

function requireKey(data: Credentials['data'], key: string, secret: string): string {
  const value = data[key];
  if (value === undefined || value === '') {
    throw bmcFailure(`Secret ${secret} has no key ${key}: add it`, 'SecretInvalid');
  }
  return Buffer.from(value, 'base64').toString('utf8');
}

/**
 * A credential without the line break that an editor or `echo` leaves at its end: no BMC takes one. One in the middle
 * is no typing of a password but two of them, or a whole file. Fails with `SecretInvalid`.
 */
function oneLine(value: string, key: string, secret: string): string {
  const line = value.replace(/\r?\n$/, '');
  if (line === '')
    throw bmcFailure(`Secret ${secret} has only a line break in its key ${key}: put the ${key} there`, 'SecretInvalid');
  if (/[\r\n\0]/.test(line)) {
    const message = `Secret ${secret} has several lines, or a zero byte, in its key ${key}: put the ${key} alone there`;
    throw bmcFailure(message, 'SecretInvalid');
  }
  return line;
}
