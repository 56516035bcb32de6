import { HOSTS, MACHINES, type Identified, type Resource } from '../kube/resource.ts';
import { find as findObject } from '../kube/swap.ts';
import { CliError, EXIT } from './exit.ts';
import type { Session } from './session.ts';

/** The two kinds that the plugin is about. */
export type Kind = 'host' | 'machine';

/** The names that a kind goes by: its own, its short ones, those of kubectl. */
const WORDS: Readonly<Record<Kind, readonly string[]>> = {
  host: ['host', 'hosts', 'ph', 'physicalhost', 'physicalhosts'],
  machine: ['machine', 'machines', 'b7m', 'beskar7machine', 'beskar7machines'],
};

/** A reference of the user: `worker-01`, `machine/worker-01`, `ph/rack1-01`. */
export interface Reference {
  /** Absent: it is not said. */
  readonly kind?: Kind;
  readonly name: string;
}

/** Reads a reference; `-o name` gives such ones too. Throws a wrong usage. */
function parseReference(text: string): Reference {
  const [first = '', second, more] = text.split('/');
  if (more !== undefined || first === '' || second === '')
    throw new CliError(EXIT.usage, `"${text}" is no name; say worker-01, machine/worker-01 or host/rack1-01.`);
  if (second === undefined) return { name: first };
  const word = first.split('.')[0]?.toLowerCase() ?? '';
  const kind = (Object.keys(WORDS) as Kind[]).find((one) => WORDS[one].includes(word));
  if (kind === undefined) throw new CliError(EXIT.usage, `"${first}" is no kind; say host or machine.`);
  return { kind, name: second };
}

/** The name in a reference to an object of one kind. Throws a wrong usage where it names another kind. */
export function nameOf(text: string, kind: Kind): string {
  const reference = parseReference(text);
  if (reference.kind !== undefined && reference.kind !== kind)
    throw new CliError(EXIT.usage, `"${text}" is a ${reference.kind}; this command is about a ${kind}.`);
  return reference.name;
}

/** Reads an object. Throws not found, in words that say where it was looked for. */
export async function read<T extends Identified>(session: Session, resource: Resource<T>, name: string): Promise<T> {
  const kube = await session.kube();
  const namespace = await session.namespace();
  const object = await findObject(kube, resource, { namespace, name });
  if (object !== undefined) return object;
  throw new CliError(EXIT.notFound, `There is no ${resource.kind} ${name} in namespace ${namespace}.`);
}

/** Reads an object that may not be there. */
export async function find<T extends Identified>(
  session: Session,
  resource: Resource<T>,
  name: string,
  namespace?: string,
): Promise<T | undefined> {
  return findObject(await session.kube(), resource, { namespace: namespace ?? (await session.namespace()), name });
}

/** What a reference names: machines, hosts, or one of each where the kind is not said. Throws not found. */
export async function resolve(session: Session, text: string) {
  const { kind, name } = parseReference(text);
  const [machine, host] = await Promise.all([
    kind === 'host' ? undefined : find(session, MACHINES, name),
    kind === 'machine' ? undefined : find(session, HOSTS, name),
  ]);
  if (machine === undefined && host === undefined) {
    const what = kind === undefined ? 'machine or host' : kind;
    throw new CliError(EXIT.notFound, `There is no ${what} ${name} in namespace ${await session.namespace()}.`);
  }
  return { machine, host };
}
