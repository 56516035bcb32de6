import { Agent, request } from 'undici';
import { VERSION } from '../../crds/names.ts';
import { findCondition } from '../../crds/conditions.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { CLUSTERS, DEFINITIONS, HOSTS, MACHINES, type Resource } from '../../kube/resource.ts';
import { msOf } from '../../view/historyParts.ts';
import {
  AWAIT_RUN_TASK_QUEUE,
  bmcTaskQueue,
  POWER_ON_TASK_QUEUE,
  SEARCH_ATTRIBUTES,
  TASK_QUEUE,
} from '../../contracts/names.ts';
import { endOf, EXIT, type ExitCode } from '../exit.ts';
import { paintFor, type Colour } from '../io.ts';
import { writeData, type DataFormat } from '../output.ts';
import type { Session } from '../session.ts';

/** Flags of `kubectl beskar7 doctor`; without a URL that listener is not checked. */
export interface DoctorFlags {
  readonly output: DataFormat;
  /** Base URLs at which servers reach Beskar7. */
  readonly bootUrl?: string;
  readonly callbackUrl?: string;
}

/** One thing that was looked at. */
interface Check {
  readonly what: string;
  readonly result: 'good' | 'warning' | 'bad';
  readonly found: string;
  /** For the person, where it is not good. */
  readonly todo?: string;
}

const COLOURS: Readonly<Record<Check['result'], Colour>> = { good: 'green', warning: 'yellow', bad: 'red' };
const WORKFLOW_QUEUE = 1;
const ACTIVITY_QUEUE = 2;
/** A worker asks at least once a minute; Temporal remembers one that is gone for five. */
const ALIVE_MS = 75_000;

/**
 * `kubectl beskar7 doctor`: looks at what has to be there, and says what to do where it is not. 1 when something is
 * bad.
 */
export async function doctor(session: Session, flags: DoctorFlags): Promise<ExitCode> {
  const checks = [
    ...(await Promise.all([HOSTS, MACHINES, CLUSTERS].map((resource) => kindIsServed(session, resource)))),
    await definitionsAreOurs(session),
    ...(await temporalIsThere(session)),
    await bmcsAnswer(session),
    await serversCanBeKnown(session),
    ...(flags.bootUrl === undefined ? [] : [await bootListenerAnswers(flags.bootUrl, session.timeoutMs)]),
    ...(flags.callbackUrl === undefined ? [] : [await callbackListenerAnswers(flags.callbackUrl, session.timeoutMs)]),
  ];
  if (flags.output === 'text') {
    const paint = paintFor(session.io);
    for (const { what, result, found, todo } of checks)
      session.io.out(
        `${paint(result.padEnd(7), COLOURS[result])}  ${what}: ${found}\n${todo === undefined ? '' : `         ${todo}\n`}`,
      );
  } else writeData(session.io, flags.output, checks);
  return checks.some(({ result }) => result === 'bad') ? EXIT.error : EXIT.ok;
}

async function kindIsServed(session: Session, resource: Resource): Promise<Check> {
  const what = `${resource.kind} can be listed`;
  try {
    const kube = await session.kube();
    await kube.list(resource, { namespace: await session.namespace(), limit: 1 });
    return { what, result: 'good', found: `${resource.group}/${resource.version} at ${await session.server()}` };
  } catch (error) {
    const { code, message } = endOf(error);
    const todo =
      code === EXIT.forbidden
        ? 'Request the right to list it, e.g. the role view.'
        : code === EXIT.unreachable
          ? 'Check the kubeconfig and its current context.'
          : 'Install the kinds: kubectl apply --server-side -f crds/generated';
    return { what, result: 'bad', found: message.split('\n')[0] ?? '', todo };
  }
}

async function definitionsAreOurs(session: Session): Promise<Check> {
  const what = 'conversion of Beskar7Clusters';
  try {
    const definition = await (await session.kube()).get(DEFINITIONS, '', `${CLUSTERS.plural}.${CLUSTERS.group}`);
    const { strategy = 'None', webhook } = definition.spec.conversion ?? {};
    if (strategy === 'Webhook')
      return { what, result: 'good', found: `by the webhook${webhook ? '' : ', which is not set up'}` };
    return {
      what,
      result: 'warning',
      found: `strategy ${strategy}`,
      todo: `Only ${VERSION} can be used until a process with the role webhook runs.`,
    };
  } catch (error) {
    const { code, message } = endOf(error);
    const may =
      code === EXIT.forbidden ? 'Reading it needs more rights than you have; that is not a problem.' : undefined;
    return { what, result: 'warning', found: message.split('\n')[0] ?? '', ...(may ? { todo: may } : {}) };
  }
}

async function temporalIsThere(session: Session): Promise<Check[]> {
  const { value: temporal, silent } = await session.tryTemporal((one) => Promise.resolve(one));
  if (temporal === undefined) return [{ what: 'Temporal', result: 'bad', found: silent ?? 'not reached' }];
  const { client, namespace, address } = temporal;
  const within = <R>(call: () => Promise<R>) => client.withDeadline(Date.now() + session.timeoutMs, call);
  const checks: Check[] = [];
  try {
    await within(() => client.workflowService.describeNamespace({ namespace }));
    checks.push({ what: 'Temporal', result: 'good', found: `namespace ${namespace} at ${address}` });
  } catch (error) {
    const todo = 'Beskar7 creates its namespace at its first start; name another one with --temporal-namespace.';
    return [{ what: 'Temporal', result: 'bad', found: endOf(error).message, todo }];
  }
  for (const { what, name, taskQueueType, role } of await queues(session)) {
    const { pollers } = await within(() =>
      client.workflowService.describeTaskQueue({ namespace, taskQueue: { name }, taskQueueType }),
    );
    const since = session.io.nowMs() - ALIVE_MS;
    const count = pollers?.filter(({ lastAccessTime }) => msOf(lastAccessTime) > since).length ?? 0;
    checks.push(
      count > 0
        ? { what, result: 'good', found: `${count} on the queue ${name}` }
        : {
            what,
            result: 'bad',
            found: `none on the queue ${name}`,
            todo: `Start a process with ${role}: nothing continues without it.`,
          },
    );
  }
  const known = await within(() => client.connection.operatorService.listSearchAttributes({ namespace })).catch(
    () => undefined,
  );
  const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in (known?.customAttributes ?? {})));
  checks.push(
    missing.length === 0
      ? { what: 'search attributes', result: 'good', found: 'registered' }
      : {
          what: 'search attributes',
          result: 'warning',
          found: `missing: ${missing.join(', ')}`,
          todo: 'Runs cannot be searched by host or phase; docs/configuration.md has the commands.',
        },
  );
  return checks;
}

/** The queues that must have workers: those of every installation, and that of each pool that a host names. */
async function queues(session: Session) {
  const hosts = await session.list(HOSTS, { namespace: await session.namespace() }).catch(() => []);
  const pools = new Set(hosts.map(({ spec }) => spec.redfishConnection.workerPool));
  const worker = 'the role worker';
  return [
    { what: 'workers for workflows', name: TASK_QUEUE, taskQueueType: WORKFLOW_QUEUE, role: worker },
    { what: 'workers for Kubernetes', name: TASK_QUEUE, taskQueueType: ACTIVITY_QUEUE, role: worker },
    { what: 'workers that wait for runs', name: AWAIT_RUN_TASK_QUEUE, taskQueueType: ACTIVITY_QUEUE, role: worker },
    { what: 'workers for the power budget', name: POWER_ON_TASK_QUEUE, taskQueueType: ACTIVITY_QUEUE, role: worker },
    ...[...pools].map((pool) => ({
      what: `workers for BMCs${pool === undefined ? '' : ` of pool ${pool}`}`,
      name: bmcTaskQueue(pool),
      taskQueueType: ACTIVITY_QUEUE,
      role: `the role bmc-worker${pool === undefined ? '' : ` and --worker-pool ${pool}`}`,
    })),
  ];
}

async function bmcsAnswer(session: Session): Promise<Check> {
  const what = 'BMCs';
  try {
    const hosts = await session.list(HOSTS, { namespace: await session.namespace() });
    const bad = hosts.filter(
      ({ status }) => findCondition(status?.conditions, CONDITIONS.redfishReachable)?.status !== 'True',
    );
    const found = `${hosts.length - bad.length} of ${hosts.length} answer in namespace ${await session.namespace()}`;
    if (bad.length === 0) return { what, result: 'good', found };
    const names = bad.slice(0, 5).map(({ metadata }) => metadata.name);
    return {
      what,
      result: 'warning',
      found,
      todo: `See why: kubectl beskar7 -n ${await session.namespace()} explain host/${names[0] ?? ''}`,
    };
  } catch (error) {
    return { what, result: 'bad', found: endOf(error).message.split('\n')[0] ?? '' };
  }
}

async function serversCanBeKnown(session: Session): Promise<Check> {
  const what = 'boot by MAC';
  try {
    const hosts = await session.list(HOSTS, { namespace: await session.namespace() });
    const unknown = hosts.filter(
      ({ spec, status }) => spec.bootMACAddress === undefined && (status?.addresses ?? []).length === 0,
    );
    const twice = hosts.filter(
      ({ status }) => findCondition(status?.conditions, CONDITIONS.duplicateMAC)?.status === 'True',
    );
    if (twice.length > 0)
      return {
        what,
        result: 'bad',
        found: `${twice.map(({ metadata }) => metadata.name).join(', ')}: the MAC address of another host`,
        todo: 'Neither gets a boot script: correct bootMACAddress.',
      };
    if (unknown.length > 0)
      return {
        what,
        result: 'warning',
        found: `${unknown.length} hosts have no bootMACAddress`,
        todo: 'Their boot script is found only if the BMC reports its MAC addresses, or by nonce (docs/boot.md).',
      };
    return { what, result: 'good', found: 'every host has a bootMACAddress, or its BMC told one' };
  } catch (error) {
    return { what, result: 'bad', found: endOf(error).message.split('\n')[0] ?? '' };
  }
}

/** A MAC that no server has: Beskar7 answers 404 with two words. */
async function bootListenerAnswers(base: string, timeoutMs: number): Promise<Check> {
  const what = 'boot listener';
  const url = `${base.replace(/\/+$/, '')}/api/v1/boot?mac=02:00:00:00:00:00`;
  const todo = 'DHCP has to hand out an address of a process with the role api, which servers reach (docs/boot.md).';
  try {
    const { statusCode, body } = await request(url, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
    const text = (await body.text()).slice(0, 100);
    if (statusCode === 404 && text === 'not found')
      return { what, result: 'good', found: `Beskar7 answers at ${base}, seen from here` };
    return { what, result: 'bad', found: `${base} answers ${statusCode}: that is not Beskar7`, todo };
  } catch (error) {
    return { what, result: 'bad', found: `${base}: ${(error as Error).message}`, todo };
  }
}

/** Without a bearer Beskar7 answers 401. The certificate is not checked: servers know its CA from their boot script. */
async function callbackListenerAnswers(base: string, timeoutMs: number): Promise<Check> {
  const what = 'callback listener';
  let until = '';
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  try {
    const { statusCode, body } = await request(`${base.replace(/\/+$/, '')}/api/v1/bootstrap/doctor/doctor`, {
      dispatcher: agent,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    await body.dump();
    if (base.startsWith('https:')) until = await certificateEnd(new URL(base), timeoutMs);
    if (statusCode !== 401)
      return {
        what,
        result: 'bad',
        found: `${base} answers ${statusCode}: that is not Beskar7`,
        todo: 'Servers send their reports to --callback-url.',
      };
    const isOver = until !== '' && Date.parse(until) < Date.now();
    return {
      what,
      result: isOver ? 'bad' : 'good',
      found: `Beskar7 answers at ${base}, seen from here${until === '' ? '' : `; its certificate ends ${until}`}`,
      ...(isOver ? { todo: 'Renew tls.crt and tls.key in --tls-cert-dir: they are read again by themselves.' } : {}),
    };
  } catch (error) {
    return {
      what,
      result: 'bad',
      found: `${base}: ${(error as Error).message}`,
      todo: 'Servers have to reach --callback-url.',
    };
  } finally {
    await agent.destroy();
  }
}

async function certificateEnd({ hostname, port }: URL, timeoutMs: number): Promise<string> {
  const { connect } = await import('node:tls');
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: hostname, port: Number(port || 443), rejectUnauthorized: false, timeout: timeoutMs },
      () => {
        const { valid_to: end } = socket.getPeerCertificate();
        socket.destroy();
        resolve(new Date(end).toISOString());
      },
    );
    socket.on('timeout', () => socket.destroy(new Error('no answer')));
    socket.on('error', reject);
  });
}
