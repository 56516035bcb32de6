import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { explainHost, explainMachine, type Explanation } from '../../view/explain.ts';
import { hostOf, ownerOf, progressOf } from '../around.ts';
import { paintFor, plain, type Io } from '../io.ts';
import { referenceOf, writeData, type DataFormat } from '../output.ts';
import { resolve } from '../references.ts';
import type { Session } from '../session.ts';

/** What `-o json` gives: an explanation, and of which object. */
interface Explained extends Explanation {
  readonly object: string;
}

/** `kubectl beskar7 explain <machine|host>`. A name that a machine and a host share is explained for both. */
export async function explain(session: Session, text: string, output: DataFormat): Promise<void> {
  const { machine, host } = await resolve(session, text);
  const flags = session.flagsToCopy;
  const found: Explained[] = [];
  if (machine !== undefined) {
    const [itsHost, owner, progress] = await Promise.all([
      hostOf(session, machine),
      ownerOf(session, machine),
      progressOf(session, machine.metadata),
    ]);
    const nowMs = session.io.nowMs();
    const around = { host: itsHost, owner, progress: progress.value, nowMs, flags };
    found.push({ object: referenceOf(MACHINES, machine), ...explainMachine(machine, around) });
    if (progress.silent !== undefined) session.io.tell(`note: its run was not asked: ${progress.silent}`);
  }
  if (host !== undefined)
    found.push({ object: referenceOf(HOSTS, host), ...explainHost(host, { nowMs: session.io.nowMs(), flags }) });
  if (output !== 'text') {
    const [only] = found;
    return writeData(session.io, output, found.length === 1 ? only : found);
  }
  session.io.out(found.map((one) => explanationText(session.io, one)).join('\n'));
}

/** An explanation for a reader. */
function explanationText(io: Pick<Io, 'isTerminal' | 'env'>, { state, why, next, youCan }: Explanation): string {
  const paint = paintFor(io);
  const part = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', paint(title, 'bold'), ...lines.map((line) => `  ${plain(line)}`)];
  return [
    paint(plain(state), 'bold'),
    ...part('Why', why),
    ...part('What happens next', next),
    ...part('What you can do', youCan),
    '',
  ].join('\n');
}
