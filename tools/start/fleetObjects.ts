import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';

const EXAMPLES = path.join(import.meta.dirname, '..', '..', 'examples');
const API_VERSION = 'infrastructure.cluster.x-k8s.io/v1beta1';
const DEFAULT_BASE_PORT = 18_000;

/** A Kubernetes object as far as this file looks into it. */
interface Manifest {
  readonly kind: string;
  readonly spec?: { redfishConnection?: { address: string } };
}

/**
 * What `npm start` applies, as one YAML text: the objects of `examples/`, with as many hosts and machines as asked for:
 * the first ones when that are fewer, more of their like when that are more.
 */
export async function fleetObjects(hosts: number, basePort: number): Promise<string> {
  const counts = new Map<string, number>();
  const kept = (await exampleObjects()).filter(({ kind }) => {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return kind === 'Secret' || count <= hosts;
  });
  for (let index = (counts.get('PhysicalHost') ?? 0) + 1; index <= hosts; index += 1) kept.push(host(index));
  for (let index = (counts.get('Beskar7Machine') ?? 0) + 1; index <= hosts; index += 1) kept.push(machine(index));
  return kept.map((object) => stringify(onBasePort(object, basePort))).join('---\n');
}

async function exampleObjects(): Promise<Manifest[]> {
  const files = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map((name) => readFile(path.join(EXAMPLES, name), 'utf8')));
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest));
}

function onBasePort(object: Manifest, basePort: number): Manifest {
  const connection = object.spec?.redfishConnection;
  if (connection === undefined) return object;
  const url = new URL(connection.address);
  const address = `http://127.0.0.1:${Number(url.port) - DEFAULT_BASE_PORT + basePort}`;
  return { ...object, spec: { ...object.spec, redfishConnection: { ...connection, address } } };
}

function host(index: number): Manifest {
  const redfishConnection = {
    address: `http://127.0.0.1:${DEFAULT_BASE_PORT + index}`,
    credentialsSecretRef: 'bmc-credentials',
  };
  const metadata = {
    name: `rack${Math.ceil(index / 5)}-${numbered(index)}`,
    namespace: 'default',
    labels: {
      'topology.kubernetes.io/region': 'lab',
      'topology.kubernetes.io/zone': `zone-${'abc'[index % 3]}`,
    },
  };
  const spec = { bootMACAddress: macOf(index), redfishConnection };
  return { apiVersion: API_VERSION, kind: 'PhysicalHost', metadata, spec } as Manifest;
}

function machine(index: number): Manifest {
  const metadata = { name: `worker-${numbered(index)}`, namespace: 'default' };
  const spec = { targetOSImage: 'http://boot-server.example/images/kairos-v2.8.1.tar.gz' };
  return { apiVersion: API_VERSION, kind: 'Beskar7Machine', metadata, spec } as Manifest;
}

function numbered(index: number): string {
  return String(index).padStart(2, '0');
}

/** The MAC address of the n-th simulated server. */
export function macOf(index: number): string {
  const bytes = [0x02, 0xb7, 0, (index >> 16) & 0xff, (index >> 8) & 0xff, index & 0xff];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
