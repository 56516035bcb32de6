import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { Plugin } from '../support/plugin.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-plugin-help', ['--resync=2s']);
const { namespace } = world;
const REPLAY = path.join(process.cwd(), 'tools', 'commands', 'replay.ts');
let plugin: Plugin;

beforeAll(async () => {
  await world.start({ hosts: 3, profile: 'generic' });
  plugin = new Plugin(world);
  await world.addMachine('m-1', { hardwareRequirements: { minCPUCores: 512 } });
  await world.machineIs('m-1', 'Failed');
  for (const host of ['host-1', 'host-2', 'host-3']) await isFreeAndOff(world, host);
});
afterAll(async () => {
  await world.stop();
  plugin.remove();
});

describe('export', () => {
  const secrets = () => [...world.witness.secrets.keys()];

  test('one file with what a maintainer needs, no secret in it, which replays', async () => {
    expect(await plugin.out('export', 'm-1')).toBe('m-1.beskar7-export.json\n');
    const file = path.join(plugin.folder, 'm-1.beskar7-export.json');
    const text = readFileSync(file, 'utf8');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(secrets().length).toBeGreaterThan(0);
    expect(secrets().filter((secret) => text.includes(secret))).toEqual([]);
    const content = JSON.parse(text) as Record<'runs' | 'resources' | 'events', Record<string, never>[]>;
    expect(content.resources.map(({ kind }) => kind)).toEqual(['Beskar7Machine']);
    expect(content.events.length).toBeGreaterThan(0);
    expect(content.runs[0]).toMatchObject({ workflowId: `provision/${namespace}/m-1`, status: 'FAILED' });
    expect(JSON.stringify(content.runs[0]?.['steps'])).toMatch(/PATCH \S+ 20\d in \d+ ms/);
    const replayed = await plugin.spawn(process.execPath, [REPLAY, file]).ended;
    expect(replayed).toMatchObject({ code: 0, stderr: '' });
    expect(replayed.stdout).toMatch(new RegExp(`^provision/${namespace}/m-1, run \\S+: replays\n`));
  });

  test('a file that is there stays as it is; --file - is standard output; --runs says how many', async () => {
    const again = await plugin.run('export', 'm-1');
    expect(again).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('is there already') });
    const { runs } = JSON.parse(await plugin.out('export', 'm-1', '--file', '-', '--runs', '1')) as {
      runs: { workflowId: string }[];
    };
    expect(runs.filter(({ workflowId }) => workflowId.startsWith('provision/'))).toHaveLength(1);
  });

  test('a history that this code would not have made is told by the replay', async () => {
    const file = path.join(plugin.folder, 'changed.json');
    const text = await plugin.out('export', 'm-1', '--file', '-', '--runs', '1');
    writeFileSync(file, text.replaceAll('"name": "prepareBoot"', '"name": "somethingElse"'));
    const { code, stdout } = await plugin.spawn(process.execPath, [REPLAY, file]).ended;
    expect({ code, stdout }).toMatchObject({ code: 1, stdout: expect.stringContaining('Nondeterminism') });
  });
});

describe('doctor', () => {
  test('all is well: 0, each part named', async () => {
    const { code, stdout } = await plugin.run(
      'doctor',
      '--boot-url',
      world.bootUrl,
      '--callback-url',
      world.callbackUrl,
    );
    expect({ code, bad: stdout.match(/^bad.*$/gm) }).toEqual({ code: 0, bad: null });
    for (const what of [
      'PhysicalHost can be listed',
      'Temporal: namespace',
      'workers for workflows',
      'workers for BMCs:',
      'workers for the power budget',
      'search attributes: registered',
      'BMCs: 3 of 3 answer',
      'boot by MAC: every host',
      'boot listener: Beskar7 answers',
      'callback listener: Beskar7 answers',
    ])
      expect(stdout).toContain(what);
  });

  test('what is bad is said with what to do: 1', async () => {
    const { code, stdout } = await plugin.run(
      'doctor',
      '--temporal-address',
      '127.0.0.1:1',
      '--boot-url',
      new URL(world.metricsUrl).origin,
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(/bad\s+Temporal: Temporal cannot be reached at 127\.0\.0\.1:1/);
    expect(stdout).toMatch(/bad\s+boot listener: .*that is not Beskar7\n\s+DHCP has to hand out/);
    const found = await plugin.run('doctor', '--temporal-namespace', 'nowhere', '-o', 'json');
    expect(found.code).toBe(1);
    expect(JSON.parse(found.stdout)).toContainEqual(expect.objectContaining({ what: 'Temporal', result: 'bad' }));
  });
});

describe('completion', () => {
  const complete = async (...words: string[]) => {
    const { code, stdout } = await plugin.spawn(path.join(plugin.folder, 'kubectl_complete-beskar7'), words).ended;
    expect(code).toBe(0);
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0]);
  };

  test('as kubectl asks for it: commands, objects of the namespace, flags and their values', async () => {
    expect(await complete('tr')).toEqual(['trace', ':4']);
    expect(await complete('-n', namespace, 'explain', 'host-')).toEqual(['host-1', 'host-2', 'host-3', ':4']);
    expect(await complete('explain', '-n', namespace, 'machine/')).toEqual(['machine/m-1', ':4']);
    expect(await complete('hosts', '-o', 'w')).toEqual(['wide', ':4']);
    expect(await complete('trace', '--fo')).toEqual(['--follow', ':4']);
    expect(await complete('-n', 'e2e-plug')).toContain(namespace);
    expect(await complete('export', 'm-1', '--file', '')).toEqual([':0']);
  });

  test('kubectl itself completes `kubectl beskar7 tr`', async () => {
    const { code, stdout } = await plugin.shell('kubectl __complete beskar7 tr 2>/dev/null');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^trace\tShow the steps .*\n:4\n$/) });
  });

  test('nobody there: no candidate, and no error', async () => {
    expect(await complete('--kubeconfig', '/nowhere', 'explain', '')).toEqual([':4']);
  });

  test('in a real bash', async () => {
    const { stdout, stderr } = await plugin.shell(
      'source <(kubectl-beskar7 completion bash); COMP_WORDS=(kubectl-beskar7 re); COMP_CWORD=1; _kubectl_beskar7; echo "${COMPREPLY[@]}"',
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'report retry\n', stderr: '' });
    expect((await plugin.run('completion', 'tcsh')).code).toBe(2);
  });

  const has = (shell: string) => existsSync(`/usr/bin/${shell}`);
  (has('fish') ? test : test.skip)('in a real fish', async () => {
    const { stdout, stderr } = await plugin.shell(
      `fish -c 'kubectl-beskar7 completion fish | source; complete -C "kubectl-beskar7 re"; complete -C "kubectl-beskar7 hosts -o w"'`,
    );
    expect({ stdout, stderr }).toEqual({
      stdout: expect.stringMatching(/^report\tShow .*\nretry\tProvision .*\nwide\n$/),
      stderr: '',
    });
  });

  (has('zsh') ? test : test.skip)('in a real zsh', async () => {
    // What zsh shows at a prompt: a terminal of its own, read until the last candidate is there.
    const script = `
      zmodload zsh/zpty
      zpty -b z env TERM=dumb zsh -f -i
      zpty -w z 'autoload -Uz compinit && compinit -u -D; source <(kubectl-beskar7 completion zsh); echo is"-"ready'
      zpty -r z shown '*is-ready*'
      zpty -n -w z $'kubectl-beskar7 re\\t'
      zpty -r z shown '*retry *-- *' && print -r -- "$shown"
      zpty -n -w z $'t\\t-n ${namespace} m-\\tMARK'
      zpty -r z shown '*MARK*' && print -r -- "$shown"`;
    const { ended } = plugin.spawn('/usr/bin/zsh', ['-f', '-c', script]);
    const { stdout } = await ended;
    expect(stdout).toMatch(/report +-- Show what/);
    expect(stdout).toMatch(/m-1[^\n]*MARK/);
  });
});
