import { InvalidArgumentError } from 'commander';
import { blockListOf } from '../untrusted/addresses.ts';

/** What a process does. `all` is every role in one process. */
export const ROLES = ['controllers', 'worker', 'bmc-worker', 'api', 'webhook', 'web'] as const;
export type Role = (typeof ROLES)[number];

/** A Service or a Secret in the cluster. */
export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export function parseRoles(text: string): Role[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes('all')) return [...ROLES];
  const unknown = words.find((word) => !ROLES.includes(word as Role));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`"${unknown}" is no role; roles are ${ROLES.join(', ')}, all.`);
  return words as Role[];
}

export function bind(text: string): BindAddress {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new InvalidArgumentError('give host:port, for example 0.0.0.0:8082.');
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] ?? '')), port };
}

export function parseLabelValue(text: string): string {
  if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(text))
    throw new InvalidArgumentError('give the value of a label: at most 63 letters, digits, "-", "_", ".".');
  return text;
}

export function parseClusterId(text: string): string {
  if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(text))
    throw new InvalidArgumentError('give at most 63 letters, digits, "-", "_", ".".');
  return text;
}

export function parseUrl(text: string): string {
  if (!/^https?:\/\/[^\s/]+\/?$/.test(text))
    throw new InvalidArgumentError('give a URL without a path, for example http://10.0.0.1:8082.');
  return text.replace(/\/$/, '');
}

/** IP addresses and CIDR blocks, comma separated. */
export function parseNetworks(text: string): string[] {
  const given = text.split(',').flatMap((entry) => entry.trim() || []);
  try {
    blockListOf(given);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
  return given;
}

export function parseHttpsUrl(text: string): string {
  if (!text.startsWith('https://'))
    throw new InvalidArgumentError('give an https:// URL: the API server calls no other.');
  return parseUrl(text);
}

export function parseSecret(text: string): NamespacedName {
  const [, namespace, name] =
    /^([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined)
    throw new InvalidArgumentError(
      'give <namespace>/<name>, for example beskar7-system/beskar7-callbacks-certificate.',
    );
  return { namespace, name };
}

export function parseService(text: string): NamespacedName {
  const name = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
  const [namespace, service] = text.split('/');
  if (!new RegExp(`^${name}/${name}$`).test(text) || namespace === undefined || service === undefined)
    throw new InvalidArgumentError('give <namespace>/<name>, for example beskar7-system/beskar7-webhook.');
  return { namespace, name: service };
}

export function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('give a number above 0.');
  return value;
}

export function parseShards(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 256)
    throw new InvalidArgumentError('give a number from 1 to 256.');
  return value;
}

export function parseBoolean(text: string): boolean {
  if (!['true', 'false', '1', '0', ''].includes(text)) throw new InvalidArgumentError('give true or false.');
  return text !== 'false' && text !== '0';
}
