import { request } from 'undici';
import { bootSecretName } from '../../model/bootSecret.ts';
import { claimOf } from '../../model/claim.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { World } from './world.ts';

/** The bearer token of a claim, out of its Secret, as the inspection image has it. */
export async function tokenOf(world: World, host: string, claim: string): Promise<string> {
  const live = await world.host(host);
  const name = (live && claimOf(live)?.bootSecret) ?? bootSecretName(host, claim);
  const secret = await world.admin.get(SECRETS, world.namespace, name);
  return Buffer.from(secret.data?.token ?? '', 'base64').toString('utf8');
}

/**
 * Calls a route as the inspection image would; gives the status code. `bootstrap` is a GET, the others are POSTs.
 * `base` is another process than the world's.
 */
export async function call(
  world: World,
  route: 'inspection' | 'bootstrap' | 'provisioned' | 'provision-failed' | 'os-ready',
  host: string,
  token: string,
  report: object = {},
  base: string = world.callbackUrl,
): Promise<number> {
  const isPost = route !== 'bootstrap';
  const { statusCode, body } = await request(`${base}/api/v1/${route}/${world.namespace}/${host}`, {
    method: isPost ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, ...(isPost ? { 'content-type': 'application/json' } : {}) },
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
    ...(isPost ? { body: JSON.stringify(report) } : {}),
  });
  const text = await body.text();
  if (statusCode >= 400) world.witness.note(`the answer of /${route}`, text);
  return statusCode;
}
