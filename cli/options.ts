import { InvalidArgumentError, Option } from 'commander';

/** Flags that every command takes. */
export function globalOptions(): Option[] {
  const text = (flags: string, description: string) => new Option(flags, description).argParser(nonEmpty);
  return [
    text('-n, --namespace <name>', 'namespace; default: that of the context'),
    text('--context <name>', 'context of the kubeconfig; default: its current one'),
    text('--kubeconfig <file>', 'kubeconfig; default: as kubectl'),
    text(
      '--temporal-address <host:port>',
      'Temporal frontend; default: as the temporal command line (TEMPORAL_ADDRESS, profile), else localhost:7233',
    ),
    text('--temporal-namespace <name>', 'Temporal namespace; default: TEMPORAL_NAMESPACE, else beskar7'),
    text(
      '--temporal-codec-keys <folder>',
      'keys of what is encrypted in Temporal, as Beskar7 has them; default: such parts are not shown',
    ).env('BESKAR7_TEMPORAL_CODEC_KEYS'),
    new Option('--request-timeout <duration>', 'how long one call may take, e.g. 10s')
      .default(10_000, '10s')
      .argParser(duration),
  ];
}

/** `-o`: how data is written; the first choice without the flag. */
export function format(choices: readonly string[]): Option {
  return new Option('-o, --output <format>', 'how it is written').choices([...choices]).default(choices[0]);
}

/** Refuses an empty value, such as that of a shell variable that is not set. */
export function nonEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

/** A whole number from 0 to 9999. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('It has to be a whole number.');
  return Number(text);
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

function duration(text: string): number {
  const [, number, unit] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS[unit ?? ''] ?? 0);
  if (!(ms > 0)) throw new InvalidArgumentError('It has to be a duration such as 500ms, 10s or 1m.');
  return ms;
}
