import { networkInterfaces } from 'node:os';
import { isIP } from 'node:net';
import { BmcNetworks } from '../redfish/index.ts';
import type { Config } from './config.ts';

/**
 * Where BMCs may be: `--bmc-networks`, else anywhere but where none can be. In a cluster that is also this Pod,
 * loopback included, and the API server: a Pod cannot find out the ranges of Services and Pods. Outside of one,
 * loopback is where simulated BMCs are.
 */
export function bmcNetworks(
  { bmcNetworks: allowed }: Pick<Config, 'bmcNetworks'>,
  { KUBERNETES_SERVICE_HOST: apiServer }: NodeJS.ProcessEnv,
): BmcNetworks {
  if (apiServer === undefined) return new BmcNetworks({ allowed });
  const own = Object.values(networkInterfaces()).flatMap((entries = []) => entries.map(({ address }) => address));
  const refused = [apiServer, ...own].filter((address) => isIP(address) !== 0);
  return new BmcNetworks({ allowed, refused, allowsLoopback: false });
}
