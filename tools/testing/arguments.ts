/** What `npm test -- <words>` asks for. */
export interface TestArguments {
  readonly isLintOnly: boolean;
  /** Named projects; all of them when none is. */
  readonly projects: readonly string[];
  /** Only what the changes since this commit can affect; `undefined` in it: since the branch left main. */
  readonly changed?: { readonly base: string | undefined };
  /** Paths, as Jest takes them. */
  readonly patterns: readonly string[];
  /** Words for Jest itself, such as `-t name`: then it runs as it would without us, one file after the other. */
  readonly forJest: readonly string[];
}

/** Each a folder of test/. */
export const PROJECTS = ['unit', 'workflow', 'replay', 'web', 'integration', 'e2e', 'vm', 'capi'] as const;

/** Reads the words. What is not ours belongs to Jest. */
export function parseTestArguments(args: readonly string[]): TestArguments {
  const isChanged = (word: string) => word === '--changed' || word.startsWith('--changed=');
  const changed = args.find(isChanged);
  const rest = args.filter((word) => !isProject(word) && word !== '--lint' && !isChanged(word));
  const hasFlags = rest.some((word) => word.startsWith('-'));
  const base = changed?.slice('--changed='.length);
  return {
    isLintOnly: args.includes('--lint'),
    projects: args.filter(isProject),
    ...(changed === undefined ? {} : { changed: { base: base === '' ? undefined : base } }),
    patterns: hasFlags ? [] : rest,
    forJest: hasFlags ? rest : [],
  };
}

function isProject(word: string): boolean {
  return (PROJECTS as readonly string[]).includes(word);
}
