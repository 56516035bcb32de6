import { Command, CommanderError, Option } from 'commander';
import { requireSafe } from '../web/server/safety.ts';
import { namedFlags, type Config, type NamedFlag } from './flags.ts';

export type { Config } from './flags.ts';
export { ROLES, type BindAddress, type Role } from './flagValues.ts';

/** A wrong flag or value: one line for the user; the process ends with exit code 2. */
export class UsageError extends Error {}

/** `--help` or `--version` was asked for and has been printed. */
export class HelpPrinted extends Error {}

/** The command line: every flag of the table, with its environment variable BESKAR7_<FLAG>, default and meaning. */
export function command(): Command {
  const made = new Command('beskar7')
    .description('Cluster API infrastructure provider for bare metal: every provisioning is a Temporal workflow.')
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
  for (const flag of namedFlags()) made.addOption(optionOf(flag));
  return made;
}

/** Reads flags and environment. Throws UsageError with one line, or HelpPrinted. */
export function parseConfig(args: readonly string[]): Config {
  const program = command();
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) throw new HelpPrinted();
    throw new UsageError(`beskar7: ${error.message.replace(/^error: /, '')} (see --help)`);
  }
  const config = program.opts<Config>();
  for (const check of CHECKS) {
    const problem = check(config);
    if (problem !== undefined) throw new UsageError(`beskar7: ${problem} (see --help)`);
  }
  requireSafePage(config);
  return config;
}

function optionOf({ name, variable, value, meaning, initial }: NamedFlag): Option {
  const option = new Option(`${name} ${value.takes}`, meaning).env(variable);
  if (value.choices) option.choices([...value.choices]);
  else option.argParser(value.parse);
  // Without a value a boolean flag is true.
  if (value.takes.startsWith('[')) option.preset('true');
  if (initial !== undefined) option.default(value.parse(initial), initial);
  return option;
}

/** What only several flags together can be wrong by: each says what, or undefined. */
const CHECKS: readonly ((config: Config) => string | undefined)[] = [
  ({ tlsCertDir, callbackUrl }) =>
    tlsCertDir !== undefined && callbackUrl?.startsWith('http://') === true
      ? '--callback-url begins with http://, but with --tls-cert-dir the callbacks speak HTTPS'
      : undefined,
  ({ temporalCodecStrict, temporalCodecKeys }) =>
    temporalCodecStrict && temporalCodecKeys === undefined
      ? '--temporal-codec-strict needs --temporal-codec-keys'
      : undefined,
  ({ callbackCertificateSecret, tlsCertDir }) =>
    callbackCertificateSecret !== undefined && tlsCertDir !== undefined
      ? 'give --tls-cert-dir or --callback-certificate-secret, not both'
      : undefined,
  ({ callbackCertificateSecret, callbackUrl }) =>
    callbackCertificateSecret !== undefined && callbackUrl?.startsWith('https://') !== true
      ? '--callback-certificate-secret needs a --callback-url that begins with https://, whose host the certificate is for'
      : undefined,
  ({ roles, webBindAddress }) =>
    webBindAddress === undefined && roles.length === 1 && roles[0] === 'web'
      ? 'the role web needs --web-bind-address'
      : undefined,
];

/** A page that asks for no token listens on loopback only. */
function requireSafePage({ webBindAddress, webAuth }: Config): void {
  if (webBindAddress === undefined) return;
  try {
    requireSafe({ auth: webAuth, bindAddress: webBindAddress });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
