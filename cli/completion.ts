import type { Command, Option } from 'commander';
import { HOSTS, MACHINES, type Identified, type Resource } from '../kube/resource.ts';
import type { Session } from './session.ts';
import type { Shell } from './shells.ts';

/** Directives of cobra, which kubectl reads from `kubectl_complete-<plugin>`: 4 is no file completion, 0 is files. */
const NO_FILES = 4;
const FILES = 0;
/** A user waits at a prompt. */
export const COMPLETION_MS = 3_000;

const NAMESPACES: Resource = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };

/** One candidate: the word, and its description. */
interface Candidate {
  readonly word: string;
  readonly says?: string;
}

/**
 * What may stand in the place of the last word, in the form of cobra: a candidate a line, then `:<directive>`. Never
 * throws without an answer.
 */
export async function candidates(root: Command, words: readonly string[], session: Session): Promise<string> {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  const command = commandOf(root, before);
  const found = await offered(root, command, before, last, session);
  const lines = found.candidates
    .filter(({ word }) => word.startsWith(last))
    .map(({ word, says }) => (says === undefined ? word : `${word}\t${says}`));
  return [...lines, `:${found.directive}`, ''].join('\n');
}

async function offered(
  root: Command,
  command: Command,
  before: readonly string[],
  last: string,
  session: Session,
): Promise<{ candidates: readonly Candidate[]; directive: number }> {
  const options = [...command.options, ...(command === root ? [] : root.options)];
  const asked = options.find((option) => option.required && isFlag(option, before.at(-1) ?? ''));
  if (asked !== undefined) return valuesOf(asked, session);
  if (last.startsWith('-')) {
    const words = options.flatMap(({ long, description }) => (long ? [{ word: long, says: description }] : []));
    return { candidates: [...words, { word: '--help', says: 'print help' }], directive: NO_FILES };
  }
  if (command === root) {
    const commands = root.commands.filter((one) => !one.name().startsWith('__'));
    return { candidates: commands.map((one) => ({ word: one.name(), says: one.description() })), directive: NO_FILES };
  }
  const [argument] = command.registeredArguments;
  if (argument === undefined) return { candidates: [], directive: NO_FILES };
  if (argument.argChoices) return { candidates: argument.argChoices.map((word) => ({ word })), directive: NO_FILES };
  const given = wordsOf(command, root, before);
  if (given.length > 1 && !argument.variadic) return { candidates: [], directive: NO_FILES };
  return { candidates: await objectsFor(argument.name(), last, session), directive: NO_FILES };
}

async function valuesOf(
  option: Option,
  session: Session,
): Promise<{ candidates: readonly Candidate[]; directive: number }> {
  if (option.argChoices) return { candidates: option.argChoices.map((word) => ({ word })), directive: NO_FILES };
  switch (option.long) {
    case '--namespace':
      return { candidates: await namesOf(session, NAMESPACES, undefined), directive: NO_FILES };
    case '--kubeconfig':
    case '--file':
      return { candidates: [], directive: FILES };
    default:
      return { candidates: [], directive: NO_FILES };
  }
}

/** `machine`, `host`, or both with their kinds in front once one is started. */
async function objectsFor(argument: string, last: string, session: Session): Promise<Candidate[]> {
  const [prefix = ''] = /^[^/]*\//.exec(last) ?? [];
  const of = async (kind: string, resource: Resource) => {
    if (!argument.includes(kind) || (prefix !== '' && prefix !== `${kind}/`)) return [];
    const names = await namesOf(session, resource, await session.namespace().catch(() => 'default'));
    return names.map(({ word }) => ({ word: `${prefix}${word}`, says: resource.kind }));
  };
  return (await Promise.all([of('machine', MACHINES), of('host', HOSTS)])).flat();
}

async function namesOf<T extends Identified>(
  session: Session,
  resource: Resource<T>,
  namespace: string | undefined,
): Promise<Candidate[]> {
  try {
    const kube = await session.kube();
    const { items } = await kube.list(resource, { namespace, limit: 500, timeoutMs: COMPLETION_MS });
    return items.map(({ metadata }) => ({ word: metadata.name }));
  } catch {
    // No answer is no candidate: a prompt is no place for errors.
    return [];
  }
}

function commandOf(root: Command, words: readonly string[]): Command {
  for (const word of wordsOf(root, root, words)) {
    const found = root.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (found !== undefined) return found;
  }
  return root;
}

/** The words that are no flags and no values of flags. */
function wordsOf(command: Command, root: Command, words: readonly string[]): string[] {
  const options = [...command.options, ...root.options];
  const found: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const option = options.find((one) => isFlag(one, word));
    if (option?.required === true) index += 1;
    else if (!word.startsWith('-')) found.push(word);
  }
  return found;
}

function isFlag({ short, long }: Option, word: string): boolean {
  return word === short || word === long;
}

const BASH = `# bash: source <(kubectl-beskar7 completion bash)
_kubectl_beskar7() {
  local out directive
  out=$(kubectl-beskar7 __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  directive=\${out##*:}
  COMPREPLY=()
  local line
  while IFS= read -r line; do
    [[ $line == :* || -z $line ]] || COMPREPLY+=("\${line%%$'\\t'*}")
  done <<<"$out"
  if [[ $directive == 0 ]]; then compopt -o default; fi
}
complete -F _kubectl_beskar7 kubectl-beskar7
`;
const ZSH = `#compdef kubectl-beskar7
# zsh: source <(kubectl-beskar7 completion zsh)
_kubectl_beskar7() {
  local -a found
  local line
  for line in "\${(@f)$(kubectl-beskar7 __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ $line == :* || -z $line ]] && continue
    local word=\${\${line%%$'\\t'*}//:/\\\\:}
    [[ $line == *$'\\t'* ]] && word+=":\${line#*$'\\t'}"
    found+=("$word")
  done
  _describe 'kubectl-beskar7' found
}
compdef _kubectl_beskar7 kubectl-beskar7
`;
const FISH = `# fish: kubectl-beskar7 completion fish | source
function __kubectl_beskar7_candidates
  set -l words (commandline -opc) (commandline -ct)
  kubectl-beskar7 __complete -- $words[2..-1] 2>/dev/null | string match -v ':*'
end
complete -c kubectl-beskar7 -f -a '(__kubectl_beskar7_candidates)'
`;

const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH };

/** The script that a shell sources. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
