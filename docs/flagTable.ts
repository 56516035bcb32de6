import type { Option } from 'commander';
import { command } from '../workers/config.ts';

/** The flags of `workers/main.ts` as a table in Markdown: flag, environment variable, default, meaning. */
export function flagTable(): string {
  const rows = command().options.map(
    (option) =>
      `| ${code(option.flags)} | ${code(option.envVar ?? '')} | ${defaultOf(option)} | ${cell(meaningOf(option))} |`,
  );
  return ['| flag | environment | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function defaultOf(option: Option): string {
  if (option.defaultValueDescription !== undefined) return code(option.defaultValueDescription);
  const value: unknown = option.defaultValue;
  if (value === undefined || option.negate) return '';
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}

function meaningOf({ description, argChoices }: Option): string {
  return argChoices ? `${description}: ${argChoices.join(', ')}` : description;
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
