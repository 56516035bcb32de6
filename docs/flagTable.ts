import { namedFlags } from '../workers/flags.ts';
import { ROLES } from '../workers/config.ts';
import { definitionOf } from '../workers/roles/index.ts';

/** The flags of `workers/main.ts` as a table in Markdown: flag, environment variable, default, meaning. */
export function flagTable(): string {
  const rows = namedFlags().map(({ name, variable, value: { takes, choices }, initial = '', meaning }) => [
    code(`${name} ${takes}`),
    code(variable),
    code(initial),
    cell(choices ? `${meaning}: ${choices.join(', ')}` : meaning),
  ]);
  return table(['flag', 'environment', 'default', 'meaning'], rows);
}

/** What each role does and needs. */
export function roleTable(): string {
  const rows = ROLES.map((role) => {
    const { does, needs } = definitionOf(role);
    return [code(role), does, needs];
  });
  return table(['role', 'does', 'needs'], rows);
}

/** The listeners of a process, by the ports that they have without a flag. */
export function listenerTable(): string {
  const rows = namedFlags().flatMap(({ name, value: { takes }, initial, meaning }) =>
    takes === '<host:port>' && name.endsWith('-bind-address')
      ? [[initial?.split(':').at(-1) ?? '', code(name), cell(meaning)]]
      : [],
  );
  return table(['port', 'flag', 'what'], rows);
}

/** The time limits of a machine, and what happens when one is over. */
export function timeTable(): string {
  const rows = namedFlags().flatMap(({ name, initial = '', meaning, over }) =>
    over === undefined ? [] : [[code(name), code(initial), cell(meaning), over]],
  );
  return table(['flag', 'default', 'time', 'when it is over'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return text === '' ? '' : `\`${inCode(text)}\``;
}

/** Text that cannot break out of a table cell; outside of code, Markdown would take `<pool>` for HTML. */
export function cell(text: string): string {
  return inCode(text).replaceAll('<', '&lt;');
}

function inCode(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s+/g, ' ');
}
